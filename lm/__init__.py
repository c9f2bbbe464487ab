"""From raw text to an aligned chat model with one command line and one config language."""

"""Tasks of lm-evaluation-harness over models of `lm`."""

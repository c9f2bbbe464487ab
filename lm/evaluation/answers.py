"""Whether a tuned model answers and stops: replies to held-out questions, greedily."""

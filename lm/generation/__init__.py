"""Generate text with a trained model, streamed or in batches.

`Sampling` says how a token is chosen from the logits, `Generator` turns prompts into `Completion`s.
"""

from lm.generation.generator import Completion, Generator, random_generator
from lm.generation.sampling import Sampling, chosen_log_probabilities, drawn_log_probabilities, kept_logits

__all__ = [
    "Completion",
    "Generator",
    "Sampling",
    "chosen_log_probabilities",
    "drawn_log_probabilities",
    "kept_logits",
    "random_generator",
]

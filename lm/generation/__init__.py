"""Generate text with a trained model, streamed or in batches.

`Sampling` says how a token is chosen from the logits, `Generator` turns prompts into `Completion`s.
"""

from lm.generation.generator import Completion, Generator
from lm.generation.sampling import Sampling

__all__ = ["Completion", "Generator", "Sampling"]

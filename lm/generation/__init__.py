"""Writing with a trained model: how a token is picked, and how tokens become text."""

from lm.generation.generator import Completion, Generator
from lm.generation.sampling import Sampling

__all__ = ["Completion", "Generator", "Sampling"]

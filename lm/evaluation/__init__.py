"""Measure a trained model: bits per byte against compressors, and answers to held-out questions."""

from lm.evaluation.answers import Answers
from lm.evaluation.bits import BitsPerByte

__all__ = ["Answers", "BitsPerByte"]

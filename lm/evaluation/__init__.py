"""Measure a trained model: bits per byte, and answers to held-out questions.

An `Evaluation` turns a model into plain results and those into a table; `lm evaluate` runs any number of them.
"""

from lm.evaluation.answers import Answers
from lm.evaluation.bits import BitsPerByte
from lm.evaluation.evaluation import Evaluation

__all__ = ["Answers", "BitsPerByte", "Evaluation"]

"""Measure a trained model: bits per byte, answers to held-out questions, and preferences between answers.

An `Evaluation` turns a model into plain results and those into a table; `lm evaluate` runs any number of them.
"""

from lm.evaluation.answers import Answers
from lm.evaluation.bits import BitsPerByte
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.preferences import Preferences

__all__ = ["Answers", "BitsPerByte", "Evaluation", "Preferences"]

"""Optimizer, learning-rate schedule and the length of a run.

`adamw` builds the optimizer, `cosine` and others give the learning rate of a step, `Budget` plans steps and batches.
"""

from lm.optimizer.adamw import adamw
from lm.optimizer.budget import Budget, Plan
from lm.optimizer.schedule import constant, cosine, warmup_stable_decay

__all__ = ["Budget", "Plan", "adamw", "constant", "cosine", "warmup_stable_decay"]

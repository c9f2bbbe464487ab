"""Optimizers, each a factory from a model's parameters to one torch optimizer."""

from lm.optimizer.adamw import adamw
from lm.optimizer.budget import Budget, Plan
from lm.optimizer.schedule import constant, cosine, warmup_stable_decay

__all__ = ["Budget", "Plan", "adamw", "constant", "cosine", "warmup_stable_decay"]

"""Optimizers, each a factory from a model's parameters to one torch optimizer."""

from lm.optimizer.adamw import adamw

__all__ = ["adamw"]

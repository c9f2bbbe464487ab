"""Checkpoints: whole or absent, plain data only, loadable with `weights_only=True`."""

from lm.checkpoint.checkpoint import load_model

__all__ = ["load_model"]

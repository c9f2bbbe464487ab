"""Checkpoints: whole or absent, plain data only, loadable with `weights_only=True`.

`RunModel` is a trained model in a run directory; `load_model` reads it in one call.
"""

from lm.checkpoint.architecture import context_of
from lm.checkpoint.run_model import RunModel, load_model

__all__ = ["RunModel", "context_of", "load_model"]

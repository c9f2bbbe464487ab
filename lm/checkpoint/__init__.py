"""Checkpoints: whole or absent, plain data only, loadable with `weights_only=True`.

`RunModel` is a trained model in a run directory.
"""

from lm.checkpoint.architecture import context_of
from lm.checkpoint.run_model import RunModel

__all__ = ["RunModel", "context_of"]

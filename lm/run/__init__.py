"""Named runs: their directories, manifests and locks."""

from lm.process.signals import Interrupted
from lm.run.run import Run

__all__ = ["Interrupted", "Run"]

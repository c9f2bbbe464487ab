"""Named runs: their directories, manifests and locks."""

from lm.directory.run import Run
from lm.process.signals import Interrupted

__all__ = ["Interrupted", "Run"]

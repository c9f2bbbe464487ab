"""Named runs: their directories, manifests and locks."""

from lm.run.run import Interrupted, Run

__all__ = ["Interrupted", "Run"]

"""Optimizer, learning-rate schedule and the length of a run.

`adamw` and `muon` build the optimizer, `cosine` and others give the learning rate of a step, `Budget` plans steps and
batches, `continues` says whether a longer run can take over from a shorter one.
"""

from lm.optimizer.adamw import adamw
from lm.optimizer.budget import Budget, Plan
from lm.optimizer.extension import continues, stable_steps
from lm.optimizer.muon import Muon, muon
from lm.optimizer.one_factor import OneFactor
from lm.optimizer.schedule import constant, cosine, warmup_stable_decay
from lm.optimizer.torch_class import check_optimizer, make_optimizer

__all__ = [
    "Budget",
    "Muon",
    "OneFactor",
    "Plan",
    "adamw",
    "check_optimizer",
    "constant",
    "continues",
    "cosine",
    "make_optimizer",
    "muon",
    "stable_steps",
    "warmup_stable_decay",
]

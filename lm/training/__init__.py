"""The parts of a training run: its devices, its cost, its Lightning trainer and what it prints.

`lm.jobs.train` calls them in order. Public: `Setup`, `resolve_setup`, `Devices`, `make_trainer`,
`estimate_cost`, `estimate_footprint`.
"""

from lm.training.estimate import estimate_cost
from lm.training.footprint import Footprint, estimate_footprint
from lm.training.setup import Setup, resolve_setup
from lm.training.trainer import Devices, make_trainer, resolve_devices

__all__ = [
    "Devices",
    "Footprint",
    "Setup",
    "estimate_cost",
    "estimate_footprint",
    "make_trainer",
    "resolve_devices",
    "resolve_setup",
]

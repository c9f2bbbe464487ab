"""Which values a search tries next: Optuna's samplers, made anew for each trial.

A sampler that lived on would begin its random numbers again whenever the search goes on. Its seed here is one of the
search and of the trial's number, so a search that was broken off tries what an unbroken one does.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lm.bounds import Natural

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler


def tpe(space: "Mapping[str, BaseDistribution]", seed: int, *, startup: Natural = 10) -> "BaseSampler":
    """Tree-structured Parzen estimators (Bergstra et al. 2011), after `startup` trials at random."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=startup)


def random(space: "Mapping[str, BaseDistribution]", seed: int) -> "BaseSampler":
    """Every point of the space is as likely, whatever was found."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def cma_es(space: "Mapping[str, BaseDistribution]", seed: int, *, startup: Natural = 1) -> "BaseSampler":
    """Covariance matrix adaptation (Hansen 2016), after `startup` trials at random; what is no number stays random."""
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)


def grid(space: "Mapping[str, BaseDistribution]", seed: int) -> "BaseSampler":
    """Every combination once, in an order of chance."""
    from optuna.samplers import GridSampler

    from lm.sweep.space import points

    counted = {name: points(each) for name, each in space.items()}
    for name, values in counted.items():
        if values is None:
            raise ValueError(f"{name}: a grid wants each value named: write {name}=a,b or {name}=range(…)")
    return GridSampler(counted, seed=0)  # which numbers the combinations: by the same seed for every trial

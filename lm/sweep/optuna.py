"""Samplers, pruners and storages of Optuna, as YAML names them.

A new sampler is made for each trial: a kept one would restart its random numbers whenever the search resumes.
The seed of a sampler follows from the seed of the search and the number of the trial, so an interrupted search tries
what an uninterrupted one does.

Pruners count in validations, from 1. Optuna compares trials at equal counts. Validations are spaced evenly over a run,
so equal counts are equal shares of it, and runs of different steps or batches compare too.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le

from lm.bounds import Count, Natural, NonNegative
from lm.sweep.space import points

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

Percentage = Annotated[float, Ge(0), Le(100)]
Factor = Annotated[int, Ge(2)]


def tpe(space: "Mapping[str, BaseDistribution]", seed: int, *, startup: Natural = 10) -> "BaseSampler":
    """Sample by tree-structured Parzen estimators (Bergstra et al. 2011).

    Args:
        space: Distributions of the searched keys, given by the search.
        seed: Seed of the trial, given by the search.
        startup: Trials sampled uniformly before the first estimate; Optuna's default is 10.
    """
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=startup)


def random(space: "Mapping[str, BaseDistribution]", seed: int) -> "BaseSampler":
    """Sample uniformly, whatever earlier trials found.

    Args:
        space: Distributions of the searched keys, given by the search.
        seed: Seed of the trial, given by the search.
    """
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def cma_es(space: "Mapping[str, BaseDistribution]", seed: int, *, startup: Natural = 1) -> "BaseSampler":
    """Sample by covariance matrix adaptation (Hansen 2016); keys that are not numeric are sampled uniformly.

    Args:
        space: Distributions of the searched keys, given by the search.
        seed: Seed of the trial, given by the search.
        startup: Trials sampled uniformly before the adaptation starts.
    """
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)


def grid(space: "Mapping[str, BaseDistribution]", seed: int) -> "BaseSampler":
    """Try every combination once, in random order.

    Args:
        space: Distributions of the searched keys, given by the search; each must have countable values.
        seed: Not used: the same order numbers the combinations for every trial.

    Raises:
        ValueError: If a key has an interval instead of values.
    """
    from optuna.samplers import GridSampler

    values = {name: points(each) for name, each in space.items()}
    for name, counted in values.items():
        if counted is None:
            raise ValueError(f"{name}: a grid needs countable values: write {name}=a,b or {name}=range(…)")
    return GridSampler(values, seed=0)


def median(*, startup: Natural = 5, warmup: Natural = 0) -> "BasePruner":
    """Prune a trial whose best value is worse than the median at the same validation (Golovin et al. 2017).

    Args:
        startup: Complete trials before the first is pruned; Optuna's default is 5.
        warmup: Validations of a trial before it may be pruned.
    """
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup)


def percentile(*, percentile: Percentage = 25.0, startup: Natural = 5, warmup: Natural = 0) -> "BasePruner":
    """Prune a trial whose best value is not in the best percentile at the same validation.

    Args:
        percentile: Per cent of the trials that continue, 0 to 100.
        startup: Complete trials before the first is pruned; Optuna's default is 5.
        warmup: Validations of a trial before it may be pruned.
    """
    from optuna.pruners import PercentilePruner

    return PercentilePruner(percentile, n_startup_trials=startup, n_warmup_steps=warmup)


def successive_halving(*, first: Count = 1, factor: Factor = 4) -> "BasePruner":
    """Continue one trial in `factor` at validations `first`, `first` × `factor`, … (ASHA, Li et al. 2020).

    Args:
        first: Validation of the first decision, from 1.
        factor: Trials of which one continues, and the ratio between the validations of two decisions; at least 2.
    """
    from optuna.pruners import SuccessiveHalvingPruner

    return SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)


def hyperband(*, first: Count = 1, factor: Factor = 3) -> "BasePruner":
    """Successive halving that starts early for some trials and later for others (Li et al. 2018).

    It needs dozens of trials and several validations: 5 validations make two groups.

    Args:
        first: Validation of the earliest decision, from 1.
        factor: Trials of which one continues, and the ratio between the validations of two decisions; at least 2.
    """
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=first, reduction_factor=factor)


def patient(
    *, pruner: "Callable[[], BasePruner] | None" = None, patience: Natural = 1, margin: NonNegative = 0.0
) -> "BasePruner":
    """Prune what `pruner` would, but only a trial that has stopped improving.

    Args:
        pruner: Factory of the pruner that decides; null prunes every trial that has stopped improving.
        patience: Validations without improvement that are tolerated.
        margin: Amount, in the metric's unit, by which a validation may be worse and still count as no worse.
    """
    from optuna.pruners import PatientPruner

    return PatientPruner(pruner and pruner(), patience=patience, min_delta=margin)


def sqlite(directory: Path) -> "BaseStorage":
    """Keep the trials in `study.db`, which Optuna's other tools open as `sqlite:///study.db`.

    Args:
        directory: Directory of the sweep, given by the search.
    """
    from optuna.storages import RDBStorage

    return RDBStorage(f"sqlite:///{directory.absolute() / 'study.db'}")


def journal(directory: Path) -> "BaseStorage":
    """Keep the trials in `study.journal`, lines of text, for network file systems where SQLite's locks fail.

    Args:
        directory: Directory of the sweep, given by the search.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file = directory / "study.journal"
    _remove_torn_line(file)
    return JournalStorage(JournalFileBackend(str(file)))


def _remove_torn_line(file: Path) -> None:
    """Cut the last line if a killed search wrote half of it: Optuna would append to it and never read it again."""
    content = file.read_bytes() if file.exists() else b""
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(file, end)

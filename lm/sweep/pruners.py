"""Which trials end early: Optuna's pruners, which count in validations, from 1.

Optuna compares trials at equal numbers. Validations are spread evenly over a run, so equal ones are equal shares of it,
and runs of unequal steps or batches compare too.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le

from lm.bounds import Count, Natural, NonNegative

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

Percentage = Annotated[float, Ge(0), Le(100)]
Factor = Annotated[int, Ge(2)]


def median(*, startup: Natural = 5, warmup: Natural = 0) -> "BasePruner":
    """End what at its best was worse than the median of complete trials at this validation (Golovin et al. 2017).

    None ends before `startup` trials are complete, nor before its validation number `warmup`.
    """
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup)


def percentile(*, percentile: Percentage = 25.0, startup: Natural = 5, warmup: Natural = 0) -> "BasePruner":
    """The same, but only the best `percentile` per cent go on."""
    from optuna.pruners import PercentilePruner

    return PercentilePruner(percentile, n_startup_trials=startup, n_warmup_steps=warmup)


def successive_halving(*, first: Count = 1, factor: Factor = 4) -> "BasePruner":
    """At validations `first`, `first` × `factor`, … one in `factor` goes on (ASHA, Li et al. 2020)."""
    from optuna.pruners import SuccessiveHalvingPruner

    return SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)


def hyperband(*, first: Count = 1, factor: Factor = 3) -> "BasePruner":
    """Successive halving that begins earlier for some trials and later for others (Li et al. 2018).

    It wants some dozens of trials, and validations: of 5 it makes two such groups.
    """
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=first, reduction_factor=factor)


def patient(
    *, pruner: "Callable[[], BasePruner] | None" = None, patience: Natural = 1, margin: NonNegative = 0.0
) -> "BasePruner":
    """End what `pruner` would (null: any), but only if its last `patience` + 1 validations were all worse than before.

    Worse by more than `margin`, that is.
    """
    from optuna.pruners import PatientPruner

    return PatientPruner(pruner and pruner(), patience=patience, min_delta=margin)

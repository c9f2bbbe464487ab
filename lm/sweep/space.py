"""The values that a search may try, as Optuna's distributions."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def choice(values: Sequence[str]) -> "BaseDistribution":
    """One of several values, as they are typed."""
    from optuna.distributions import CategoricalDistribution

    return CategoricalDistribution(values)


def stepped(values: Sequence[float]) -> "BaseDistribution":
    """Evenly spaced numbers; a sampler assumes that near values give similar results."""
    from optuna.distributions import FloatDistribution, IntDistribution

    ordered = sorted(values)
    step = ordered[1] - ordered[0] if len(ordered) > 1 else 1
    if all(isinstance(value, int) for value in ordered):
        return IntDistribution(ordered[0], ordered[-1], step=step)
    step = float(Decimal(repr(ordered[1])) - Decimal(repr(ordered[0]))) if len(ordered) > 1 else 1.0
    return FloatDistribution(ordered[0], ordered[-1], step=step)


def interval(low: float, high: float, *, log: bool) -> "BaseDistribution":
    """A number between `low` and `high`, both included; `log` samples uniformly in its logarithm."""
    from optuna.distributions import FloatDistribution, IntDistribution

    whole = isinstance(low, int) and isinstance(high, int)
    return IntDistribution(low, high, log=log) if whole else FloatDistribution(low, high, log=log)


def points(distribution: "BaseDistribution") -> list[Any] | None:
    """All values of a distribution; None if they cannot be counted."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is None:
        return None
    if isinstance(distribution, FloatDistribution):
        count = int((Decimal(repr(high)) - Decimal(repr(low))) / Decimal(repr(step)))
        return [float(Decimal(repr(low)) + Decimal(repr(step)) * number) for number in range(count + 1)]
    return list(range(low, high + 1, step))


def size(space: "Mapping[str, BaseDistribution]") -> int | None:
    """The number of combinations; None if they cannot be counted."""
    counted = [points(each) for each in space.values()]
    return None if any(each is None for each in counted) else prod(len(each) for each in counted)

"""Confidence intervals by Student's t, and power laws of loss over compute.

L(C) = E + A × C^−α, where E is the loss that no compute removes (Hoffmann et al. 2022). Three or four points fit many
such curves; for so few E is 0, and the law is a straight line on logarithmic axes (Kaplan et al. 2020), which holds in
the measured range and falls too fast beyond.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

import numpy as np

# 97.5 % quantile of the t distribution by degrees of freedom; beyond 9 the last value, which is slightly too wide.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
FLOOR_POINTS = 5  # minimum for a floor: 3 parameters are fitted, the other points say how well
EXPONENTS = np.geomspace(0.01, 3.0, 2000)  # grid for a law with a floor


def confidence_interval(values: Sequence[float]) -> dict[str, Any]:
    """Return `values`, `mean` and `half_width` of the 95 % interval of the mean (Student's t); None for one value."""
    count = len(values)
    width = _student(count - 1) * stdev(values) / sqrt(count) if count > 1 else None
    return {"values": list(values), "mean": mean(values), "half_width": width}


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law; `low` and `high` are the 95 % interval of the exponent, None if there are too few points."""

    floor: float  # E
    factor: float  # A
    exponent: float  # α
    low: float | None
    high: float | None

    def __call__(self, compute: float) -> float:
        return self.floor + self.factor * compute**-self.exponent


def fit_power_law(compute: Sequence[float], loss: Sequence[float]) -> PowerLaw:
    """Fit a line through two or more points, by least squares of logarithms; the interval is Student's t."""
    x, y = np.log(np.asarray(compute, dtype=float)), np.log(np.asarray(loss, dtype=float))
    along = x - x.mean()
    slope = float(along @ y / (along @ along))
    residuals = y - y.mean() - slope * along
    free = len(x) - 2
    width = _student(free) * sqrt(residuals @ residuals / free / (along @ along)) if free else None
    return PowerLaw(
        floor=0.0,
        factor=float(np.exp(y.mean() - slope * x.mean())),
        exponent=-slope,
        low=None if width is None else -slope - width,
        high=None if width is None else -slope + width,
    )


def fit_power_law_with_floor(compute: Sequence[float], loss: Sequence[float]) -> PowerLaw | None:
    """Fit the law with E ≥ 0; None if there are fewer than FLOOR_POINTS points or they do not bound the exponent.

    For each exponent, E and A are a linear fit of relative errors. The interval contains the exponents whose fit is not
    worse than the best by more than Student's t allows (profile likelihood).
    """
    if len(compute) < FLOOR_POINTS:
        return None
    x, y = np.asarray(compute, dtype=float), np.asarray(loss, dtype=float)
    scale = float(np.exp(np.log(x).mean()))
    errors, floors, factors = _floors_and_factors((x / scale) ** -EXPONENTS[:, None], y)
    best, free = int(errors.argmin()), len(x) - 3
    within = EXPONENTS[errors <= errors[best] * (1 + _student(free) ** 2 / free)]
    low, high, exponent = float(within.min()), float(within.max()), float(EXPONENTS[best])
    if low == EXPONENTS[0] or high == EXPONENTS[-1]:
        return None
    factor = float(factors[best]) * scale**exponent
    return PowerLaw(floor=float(floors[best]), factor=factor, exponent=exponent, low=low, high=high)


def _floors_and_factors(falling: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each row of `falling`, the squared relative error, E and A of the best E + A × row with E ≥ 0."""
    one, part = 1 / loss, falling / loss  # the fit makes E × one + A × part equal to 1
    ones, parts, both = one @ one, (part * part).sum(1), part @ one
    floors = np.maximum(0, (one.sum() * parts - part.sum(1) * both) / (ones * parts - both**2))
    factors = (part.sum(1) - floors * both) / parts
    residuals = floors[:, None] * one + factors[:, None] * part - 1
    return (residuals**2).sum(1), floors, factors


def _student(free: int) -> float:
    """The quantile for so many degrees of freedom."""
    return STUDENT[min(free, max(STUDENT))]

"""How a loss falls with compute: a power law through a few points, and how sure its exponent is.

L(C) = E + A × C^−α, where E is what no compute takes away (Hoffmann et al. 2022). Three or four points lie on many such
curves; through so few E is 0, and the law is a straight line on logarithmic axes (Kaplan et al. 2020), which holds
where it was measured and falls too fast beyond.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from lm.report.statistics import STUDENT

ENOUGH = 5  # points for a floor: 3 numbers are fitted, and what is left says how well
EXPONENTS = np.geomspace(0.01, 3.0, 2000)  # tried for a law with a floor


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law; `low` and `high` are the 95 % interval of the exponent, None where nothing is left to tell it."""

    floor: float  # E
    factor: float  # A
    exponent: float  # α
    low: float | None
    high: float | None

    def __call__(self, compute: float) -> float:
        return self.floor + self.factor * compute**-self.exponent


def power_law(compute: Sequence[float], loss: Sequence[float]) -> PowerLaw:
    """The line through two or more points, by least squares of logarithms and Student's t."""
    x, y = np.log(np.asarray(compute, dtype=float)), np.log(np.asarray(loss, dtype=float))
    along = x - x.mean()
    slope = float(along @ y / (along @ along))
    missed = y - y.mean() - slope * along
    free = len(x) - 2
    width = _student(free) * sqrt(missed @ missed / free / (along @ along)) if free else None
    return PowerLaw(
        floor=0.0,
        factor=float(np.exp(y.mean() - slope * x.mean())),
        exponent=-slope,
        low=None if width is None else -slope - width,
        high=None if width is None else -slope + width,
    )


def power_law_with_floor(compute: Sequence[float], loss: Sequence[float]) -> PowerLaw | None:
    """The law with E ≥ 0; None where there are fewer than ENOUGH points, or they leave the exponent open.

    For each exponent, E and A are a linear fit of relative errors. The interval holds the exponents whose fit is not
    worse than the best by more than Student's t allows (the profile of the likelihood).
    """
    if len(compute) < ENOUGH:
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
    """For each row of `falling` the best E + A × row without an E below 0: the squared relative error, E and A."""
    one, part = 1 / loss, falling / loss  # both are to add up to 1
    ones, parts, both = one @ one, (part * part).sum(1), part @ one
    floors = np.maximum(0, (one.sum() * parts - part.sum(1) * both) / (ones * parts - both**2))
    factors = (part.sum(1) - floors * both) / parts
    missed = floors[:, None] * one + factors[:, None] * part - 1
    return (missed**2).sum(1), floors, factors


def _student(free: int) -> float:
    return STUDENT[min(free, max(STUDENT))]

"""How a loss falls with compute: a power law through a few points, and how sure its exponent is.

L(C) = E + A × C^−α, where E is what no compute takes away (Hoffmann et al. 2022). Three or four points lie on many such
curves; through so few E is 0, and the law is a straight line on logarithmic axes (Kaplan et al. 2020), which holds
where it was measured and falls too fast beyond.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from lm.jobs.learning import STUDENT

ENOUGH = 5  # points for a floor: 3 numbers are fitted, and what is left says how well
EXPONENTS = np.geomspace(1e-3, 3.0, 3000)  # tried for a law with a floor


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
    fits = [_floor_and_factor((x / scale) ** -exponent, y) for exponent in EXPONENTS]
    errors = np.array([error for error, _, _ in fits])
    best = int(errors.argmin())
    free = len(x) - 3
    within = EXPONENTS[errors <= errors[best] * (1 + _student(free) ** 2 / free)]
    low, high = float(within.min()), float(within.max())
    if low == EXPONENTS[0] or high == EXPONENTS[-1]:
        return None
    _, floor, factor = fits[best]
    exponent = float(EXPONENTS[best])
    return PowerLaw(floor=floor, factor=factor * scale**exponent, exponent=exponent, low=low, high=high)


def _floor_and_factor(falling: np.ndarray, loss: np.ndarray) -> tuple[float, float, float]:
    """The error, E and A of the best E + A × `falling` without an E below 0."""
    parts = np.stack([1 / loss, falling / loss], axis=1)  # of each loss, so that errors are relative
    numbers, *_ = np.linalg.lstsq(parts, np.ones(len(loss)), rcond=None)
    if numbers[0] < 0:
        numbers = np.array([0.0, parts[:, 1].sum() / (parts[:, 1] @ parts[:, 1])])
    missed = parts @ numbers - 1
    return float(missed @ missed), float(numbers[0]), float(numbers[1])


def _student(free: int) -> float:
    return STUDENT[min(free, max(STUDENT))]

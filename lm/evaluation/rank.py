"""The rank of a value among many: exact, from a sample, or from a distribution that is fitted to the sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, log2, pi, sqrt

import numpy as np

from lm.interval import wilson_interval

ENOUGH = 10  # lower values in a sample from which their share is sure to about a third
RESAMPLES = 200
SKEWEST = 0.99  # of a skew-normal distribution, whose skewness stays below 0.9953
SMALLEST = 1e-300


@dataclass(frozen=True)
class Exposure:
    """log2 |R| - log2 rank: how many bits of a secret a model gives away.

    Args:
        bits: The exposure; that of a secret that the model never read is 1.44 on average.
        interval: Its 95 % interval; both ends are `bits` where the rank is exact.
        rank: The rank, 1 for the likeliest; estimated where it is not exact.
        method: `exact`, `sampling` or `skew-normal`.
    """

    bits: float
    interval: tuple[float, float]
    rank: float
    method: str


def exact(nats: float, others: Sequence[float]) -> Exposure:
    """Return the exposure of a secret among all others; equal ones rank before it.

    Args:
        nats: Negative log-probability of the secret.
        others: Those of all other secrets.
    """
    rank = 1 + int((np.asarray(others) <= nats).sum())
    bits = log2(len(others) + 1) - log2(rank)
    return Exposure(bits, (bits, bits), rank, "exact")


def estimated(nats: float, sample: Sequence[float], size: int) -> Exposure:
    """Return the exposure of a secret from a sample of the others.

    Where at least ten of the sample are as likely, their share is the estimate, with Wilson's interval. Where fewer
    are, it is that of the skew-normal distribution with the moments of the sample, as Carlini et al. 2019 (4.3,
    arXiv:1802.08232), with the interval of the bootstrap. No exposure exceeds log2 |R|.

    Args:
        nats: Negative log-probability of the secret.
        sample: Those of others, drawn evenly.
        size: Number of all secrets, |R|.
    """
    values = np.asarray(sample, dtype=np.float64)
    below = int((values <= nats).sum())
    if below >= ENOUGH:
        low, high = wilson_interval(below, len(values))
        return _exposure(below / len(values), (low, high), size, "sampling")
    draw = np.random.default_rng(0)
    tails = [skew_normal_tail(nats, values[draw.integers(0, len(values), len(values))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(tails, [2.5, 97.5])
    return _exposure(skew_normal_tail(nats, values), (float(low), float(high)), size, "skew-normal")


def _exposure(share: float, interval: tuple[float, float], size: int, method: str) -> Exposure:
    def bits(value: float) -> float:
        return min(log2(size), max(0.0, -log2(max(value, SMALLEST))))

    return Exposure(bits(share), (bits(interval[1]), bits(interval[0])), max(1.0, share * size), method)


def skew_normal_tail(value: float, sample: np.ndarray) -> float:
    """Return the probability of at most `value` in the skew-normal distribution with the moments of a sample.

    Args:
        value: The value.
        sample: Values with some variance [N].
    """
    mean, deviation = float(sample.mean()), float(sample.std())
    if deviation == 0:
        return float(value >= mean)
    skewness = float(((sample - mean) ** 3).mean() / deviation**3)
    power = min(abs(skewness), SKEWEST) ** (2 / 3)
    delta = sqrt(pi / 2 * power / (power + ((4 - pi) / 2) ** (2 / 3))) * (1 if skewness >= 0 else -1)
    shape = delta / sqrt(1 - delta**2)
    scale = deviation / sqrt(1 - 2 * delta**2 / pi)
    place = (value - (mean - scale * delta * sqrt(2 / pi))) / scale
    points = place - np.linspace(0, max(12.0, place + 12.0), 4001)  # where the density is not zero
    density = np.exp(-(points**2) / 2) / sqrt(2 * pi) * np.array([erfc(-shape * each / sqrt(2)) for each in points])
    return float(min(1.0, max(0.0, -np.trapezoid(density, points))))

"""How sure a mean over items is: its 95 % interval, also where items come in groups that resemble each other."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from lm.interval import wilson_interval

RESAMPLES = 2000
SEED = 0
AT_ONCE = 1_000_000  # draws in memory


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Args:
        value: The mean.
        interval: Its 95 % confidence interval.
        stderr: Its standard error: sample standard deviation / √n, or the one between clusters.
        count: Number of items.
    """

    value: float
    interval: tuple[float, float]
    stderr: float
    count: int


def estimate(values: Sequence[float], *, share: bool, clusters: Sequence[Hashable] | None = None) -> Estimate:
    """Return the mean of values with its interval.

    A share has Wilson's interval (Wilson 1927), anything else that of the bootstrap (percentiles of 2000 resamples of
    fixed seed). Clusters, such as questions about one passage, are resampled as a whole; a share's interval then has
    the number of independent items that its variance between clusters amounts to (Kish 1965), at most all of them.

    Args:
        values: One value an item, at least one.
        share: Whether each value is 0 or 1.
        clusters: The cluster of each item; None where the items are independent.
    """
    numbers = np.asarray(values, dtype=np.float64)
    count, mean = len(numbers), float(numbers.mean())
    totals, sizes = _by_cluster(numbers, clusters)
    stderr = standard_error(numbers, clusters)
    if share:
        independent = _independent(mean, stderr, count, len(sizes)) if clusters is not None else count
        interval = wilson_interval(mean * independent, independent)
    else:
        interval = _bootstrap(totals, sizes)
    return Estimate(mean, interval, stderr, count)


def standard_error(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> float:
    """Return the standard error of a mean, between clusters where there are several; 0 for a single one."""
    numbers = np.asarray(values, dtype=np.float64)
    totals, sizes = _by_cluster(numbers, clusters)
    if len(sizes) < 2:
        return 0.0
    residuals = totals - numbers.mean() * sizes
    return float(sqrt((residuals**2).sum() * len(sizes) / (len(sizes) - 1)) / len(numbers))


def _by_cluster(numbers: np.ndarray, clusters: Sequence[Hashable] | None) -> tuple[np.ndarray, np.ndarray]:
    """The sum and the number of the values of each cluster; every item is one without."""
    if clusters is None:
        return numbers, np.ones(len(numbers))
    order = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    place = np.array([order[cluster] for cluster in clusters])
    return np.bincount(place, weights=numbers), np.bincount(place).astype(np.float64)


def _independent(mean: float, stderr: float, count: int, clusters: int) -> float:
    """The number of independent items with this standard error; that of the clusters where nothing varies."""
    if not 0 < mean < 1 or stderr == 0:
        return clusters
    return min(count, mean * (1 - mean) / stderr**2)


def ratio_interval(totals: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a ratio of sums, such as bits per byte, by the bootstrap over its parts."""
    return _bootstrap(totals, sizes)


def _bootstrap(totals: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Percentiles of the mean over resamples of the clusters."""
    draw, count = np.random.default_rng(SEED), len(sizes)
    means, rows = np.empty(RESAMPLES), max(1, AT_ONCE // count)
    for begin in range(0, RESAMPLES, rows):
        chosen = draw.integers(0, count, (min(rows, RESAMPLES - begin), count))
        means[begin : begin + rows] = totals[chosen].sum(1) / sizes[chosen].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)

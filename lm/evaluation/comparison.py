"""Paired differences between two models on the same items, and the power to see one.

Most of the variance of a score is that of the items, which both models share: the difference of each item's values has
much less, so a paired interval is narrower than two intervals beside each other (Miller 2024, arXiv:2411.00640).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb, sqrt
from statistics import NormalDist
from typing import Any

from lm.evaluation.intervals import standard_error

NORMAL = NormalDist()
SURE = NORMAL.inv_cdf(0.975)  # of a 95 % interval
POWER = NORMAL.inv_cdf(0.8)


@dataclass(frozen=True)
class Difference:
    """How the second model's values differ from the first's.

    Args:
        count: Number of items that both have.
        first: Mean of the first.
        second: Mean of the second.
        difference: Second less first.
        interval: Its 95 % confidence interval, from the paired differences.
        stderr: Its standard error, between clusters where items have them.
        p: Probability of a difference at least as large if the models were equal: McNemar's exact test for independent
            items whose values are 0 or 1, else that of the normal distribution.
        power: Probability that so many items show a difference of this size, at the 5 % level.
        visible: Smallest difference that so many items show with a probability of 80 %.
        needed: Number of items that would show this difference with a probability of 80 %; None without a difference.
        correlation: Of the values of both; the higher, the more pairing helps. None where one does not vary.
    """

    count: int
    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    stderr: float
    p: float
    power: float
    visible: float
    needed: int | None
    correlation: float | None

    def plain(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"interval": [*self.interval]}


def compare(
    first: Sequence[float], second: Sequence[float], *, clusters: Sequence[Hashable] | None = None
) -> Difference:
    """Compare the values of two models on the same items.

    Args:
        first: Values of the first model, one an item, at least one.
        second: Values of the second, in the same order.
        clusters: The cluster of each item; None where the items are independent.
    """
    count = len(first)
    differences = [two - one for one, two in zip(first, second, strict=True)]
    mean, stderr = sum(differences) / count, standard_error(differences, clusters)
    shares = {*first, *second} <= {0.0, 1.0}
    ratio = abs(mean) / stderr if stderr else 0.0 if mean == 0 else float("inf")
    exact = shares and clusters is None
    p = mcnemar(differences.count(1.0), differences.count(-1.0)) if exact else 2 * (1 - NORMAL.cdf(ratio))
    return Difference(
        count=count,
        first=sum(first) / count,
        second=sum(second) / count,
        difference=mean,
        interval=(mean - SURE * stderr, mean + SURE * stderr),
        stderr=stderr,
        p=p,
        power=NORMAL.cdf(ratio - SURE) + NORMAL.cdf(-ratio - SURE),
        visible=(SURE + POWER) * stderr,
        needed=None if mean == 0 else max(1, round(count * ((SURE + POWER) * stderr / mean) ** 2)),
        correlation=_correlation(first, second),
    )


def mcnemar(better: int, worse: int) -> float:
    """Return the two-sided probability of so uneven a split of the items in which two models differ."""
    differing = better + worse
    tail = sum(comb(differing, each) for each in range(min(better, worse) + 1)) / 2**differing
    return min(1.0, 2 * tail)


def paired(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], metric: str
) -> tuple[list[float], list[float], list[str] | None]:
    """Return both models' values of a metric on the items that both have, and the items' clusters.

    Args:
        first: Records of the items of the first model.
        second: Those of the second, in any order.
        metric: Name of the metric.
    """
    other = {item["id"]: item for item in second}
    both = [(item, other[item["id"]]) for item in first if item["id"] in other]
    both = [pair for pair in both if None not in (pair[0]["values"][metric], pair[1]["values"][metric])]
    clusters = [item["cluster"] for item, _ in both] if both and all("cluster" in item for item, _ in both) else None
    return [one["values"][metric] for one, _ in both], [two["values"][metric] for _, two in both], clusters


def _correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    one, two = sum(first) / len(first), sum(second) / len(second)
    product = sum((x - one) * (y - two) for x, y in zip(first, second, strict=True))
    squares = sum((x - one) ** 2 for x in first) * sum((y - two) ** 2 for y in second)
    return product / sqrt(squares) if squares else None

"""How well scores separate two classes of texts: the area under the ROC curve with its interval."""

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np

from lm.interval import wilson_interval

Z = 1.959964


def area_under_curve(positive: Sequence[float], negative: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return the AUC and its 95 % interval.

    The AUC is the probability that a text of the first class has a higher score than one of the second, where equal
    scores count half. Its variance is DeLong's (1988), the interval that of its logit, which stays within 0 and 1.
    Where nothing varies, as at an AUC of 1, the interval is Wilson's for as many trials as the smaller class has texts.

    Args:
        positive: Scores of the texts that should have high ones, at least one.
        negative: Scores of the others, at least one.
    """
    first, second = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    above, below = _placements(first, second), 1 - _placements(second, first)
    area = float(above.mean())
    variance = sum(float(each.var(ddof=1)) / len(each) for each in (above, below) if len(each) > 1)
    if variance == 0 or not 0 < area < 1:
        trials = min(len(first), len(second))
        return area, wilson_interval(area * trials, trials)
    middle, half = log(area / (1 - area)), Z * sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + exp(-np.clip(value, -700, 700))) for value in (middle - half, middle + half))
    return area, (float(low), float(high))


def _placements(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The share of the others that each score is above, equal ones counted half."""
    ordered = np.sort(others)
    below, not_above = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return (below + not_above) / (2 * len(others))

"""Intervals of means: Student's t at 95 %."""

from collections.abc import Sequence
from math import sqrt
from statistics import mean, stdev
from typing import Any

# The t distribution's 97.5 % quantile by degrees of freedom; beyond, the last, which is a little too wide.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean and half width of its 95 % interval by Student's t; none for a single value."""
    count = len(values)
    width = STUDENT[min(count - 1, max(STUDENT))] * stdev(values) / sqrt(count) if count > 1 else None
    return {"values": list(values), "mean": mean(values), "half_width": width}

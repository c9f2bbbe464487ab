"""One number for several benchmarks: the mean of their scores above chance."""

from collections.abc import Mapping
from math import sqrt
from typing import Any


def centred_mean(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the mean over tasks of (score - chance) / (1 - chance), and its 95 % interval; None for less than two.

    Answers in words have a chance of 0. This is what CORE averages (arXiv:2406.11794), but CORE is only the mean of its
    22 tasks with their examples, so it has another name.

    Args:
        results: Results by name; those of other evaluations, and of tasks without a right answer, are passed over.
    """
    found, variance = {}, 0.0
    for name, each in results.items():
        main = each.get("metrics", {}).get(each.get("main")) if isinstance(each, Mapping) else None
        if not main or main["centred"] is None:
            continue
        chance = main["chance"] or 0.0
        found[name] = main["centred"]
        variance += (main["stderr"] / (1 - chance)) ** 2
    if len(found) < 2:
        return None
    mean, half = sum(found.values()) / len(found), 1.959964 * sqrt(variance) / len(found)
    return {"value": mean, "interval": [mean - half, mean + half], "tasks": found}

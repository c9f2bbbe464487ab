"""Facts one below the other: what, how much, and a word on it, so that the numbers stand in a column."""

from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """One fact; without anything, a gap."""

    label: str = ""
    value: str = ""
    note: str = ""


def aligned(lines: Sequence[Line]) -> str:
    """The lines with their values ending in one column."""
    label, value = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(f"{line.label:<{label}}  {line.value:>{value}}  {line.note}".rstrip() for line in lines)


def scaled(number: float, unit: str = "") -> str:
    """Three figures with a prefix: 1.23 M, 45.6 GB."""
    for prefix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.{2 if number < 10 * size else 1 if number < 100 * size else 0}f} {prefix}{unit}"
    return f"{number:.0f} {unit}".rstrip()

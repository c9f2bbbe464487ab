"""Numbers with their intervals as rows on one axis, in plain HTML: readable by a screen reader, and on a phone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import floor, log10
from typing import Any

ROOM = 0.06  # of the axis, on either side of the outermost number


@dataclass(frozen=True)
class Range:
    """A number with its interval.

    Args:
        name: What was measured.
        value: The number.
        low: Lower end of its interval; None without one.
        high: Upper end of it.
        marks: What the number is compared with, by name, such as chance.
        note: What else stands beside it.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    marks: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def interval_range(name: str, result: Mapping[str, Any], *, note: str = "") -> Range:
    """The range of a `confidence_interval`: its mean, and its interval if there is one."""
    mean, half = result["mean"], result["half_width"]
    return Range(name, mean, None if half is None else mean - half, None if half is None else mean + half, note=note)


def range_rows(rows: Sequence[Range], *, share: bool = False) -> str:
    """Return a row per number on one axis; empty without numbers.

    Args:
        rows: The numbers.
        share: Whether they are shares of 1, shown in percent on an axis from 0 to 100 %.
    """
    if not rows:
        return ""
    low, high = (0.0, 1.0) if share else _axis(rows)
    names = list(dict.fromkeys(name for row in rows for name in row.marks))
    items = "".join(_row(row, names, low=low, high=high, share=share) for row in rows)
    ends = f"<i>{_end(low, high, share)}</i><i>{_end(high, low, share)}</i>"
    return (
        f"<ul class='ranges'>{items}<li class='axis'><span></span><span>{ends}</span></li></ul>{_legend(rows, names)}"
    )


def _row(row: Range, names: Sequence[str], *, low: float, high: float, share: bool) -> str:
    def place(value: float) -> str:
        return f"{100 * min(1.0, max(0.0, (value - low) / (high - low))):.2f}%"

    parts, said = [], [f"{row.name} {_shown(row.value, share)}"]
    if row.low is not None and row.high is not None:
        width = 100 * (min(high, row.high) - max(low, row.low)) / (high - low)
        parts.append(f"<i class='interval' style='left:{place(row.low)};width:{max(0.0, width):.2f}%'></i>")
        said.append(f"95 % interval {_shown(row.low, share)} to {_shown(row.high, share)}")
    for name, value in row.marks.items():
        parts.append(f"<i class='mark mark-{names.index(name) % 4}' style='left:{place(value)}'></i>")
        said.append(f"{name} {_shown(value, share)}")
    parts.append(f"<i class='dot' style='left:{place(row.value)}'></i>")
    label = escape(", ".join(said), quote=True)
    extent = "" if row.low is None else f" <small>{_shown(row.low, share)} – {_shown(row.high, share)}</small>"
    note = f" <small>{escape(row.note)}</small>" if row.note else ""
    return (
        f"<li><span class='name'>{escape(row.name)}</span>"
        f'<span class="track" role="img" aria-label="{label}">{"".join(parts)}</span>'
        f"<span class='number'>{_shown(row.value, share)}{extent}{note}</span></li>"
    )


def _axis(rows: Sequence[Range]) -> tuple[float, float]:
    """The ends of the axis: those of all numbers, with some room."""
    numbers = [
        value for row in rows for value in (row.value, row.low, row.high, *row.marks.values()) if value is not None
    ]
    low, high = min(numbers), max(numbers)
    room = ROOM * (high - low) or abs(high) * ROOM or 1.0
    return (0.0 if 0 <= low < room else low - room), high + room


def _end(value: float, other: float, share: bool) -> str:
    """An end of the axis, to a hundredth of its length."""
    return _shown(value, share) if share else f"{value:.{max(0, 2 - floor(log10(abs(value - other))))}f}"


def _shown(value: float, share: bool) -> str:
    if share:
        return f"{100 * value:.1f} %" if 0 < value < 1 else f"{100 * value:.0f} %"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _legend(rows: Sequence[Range], names: Sequence[str]) -> str:
    parts = ["<i class='dot'></i> measured"]
    if any(row.low is not None for row in rows):
        parts.append("<i class='interval'></i> 95 % interval")
    parts += [f"<i class='mark mark-{number % 4}'></i> {escape(name)}" for number, name in enumerate(names)]
    return f"<p class='legend' aria-hidden='true'>{'  '.join(f'<span>{part}</span>' for part in parts)}</p>"

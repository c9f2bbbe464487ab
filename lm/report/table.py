"""Tables for the terminal and for HTML pages, and numbers with a prefix."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple


class Column(NamedTuple):
    """A column of a table of results: heading, meaning, and the function that formats a result."""

    heading: str
    meaning: str
    write: Callable[[Any], str]


class Line(NamedTuple):
    """A label, a value and a note; an empty line is a gap."""

    label: str = ""
    value: str = ""
    note: str = ""


def aligned(lines: Sequence[Line]) -> str:
    """Format lines with the values right-aligned in one column."""
    label, value = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(f"{line.label:<{label}}  {line.value:>{value}}  {line.note}".rstrip() for line in lines)


def text_table(columns: Sequence[Column], results: Sequence[Any]) -> str:
    """Format one line per result under a line of headings; the first column is left-aligned."""
    rows = [
        [column.heading for column in columns],
        *([column.write(result) for column in columns] for result in results),
    ]
    first, *widths = (max(map(len, cells)) for cells in zip(*rows, strict=True))
    return "\n".join(
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))])
        for row in rows
    )


def html_table(columns: Sequence[Column], results: Sequence[Any], *, text: Sequence[int] = (0,)) -> str:
    """Format the same table in HTML; columns whose number is in `text` are left-aligned."""
    kinds = [" class='text'" if number in text else "" for number in range(len(columns))]
    pairs = list(zip(kinds, columns, strict=True))
    heads = "".join(f"<th{kind} title='{escape(meaning)}'>{escape(name)}</th>" for kind, (name, meaning, _) in pairs)
    rows = ("".join(f"<td{kind}>{escape(column.write(result))}</td>" for kind, column in pairs) for result in results)
    return f"<table tabindex='0'><tr>{heads}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def html_meanings(columns: Sequence[Column]) -> str:
    """Return the meanings of the columns as an HTML description list."""
    rows = (f"<div><dt>{escape(head)}</dt><dd>{escape(meaning)}</dd></div>" for head, meaning, _ in columns)
    return f'<dl class="facts">{"".join(rows)}</dl>'


def html_lines(text: str) -> str:
    """Return lines of text as an HTML list; empty without text."""
    items = "".join(f"<li>{escape(line)}</li>" for line in text.splitlines() if line)
    return f"<ul class='lines'>{items}</ul>" if items else ""


def scaled(number: float, unit: str = "") -> str:
    """Format a number with three digits and an SI prefix: 1.23 M, 45.6 GB."""
    for prefix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.{2 if number < 10 * size else 1 if number < 100 * size else 0}f} {prefix}{unit}"
    return f"{number:.0f} {unit}".rstrip()


def counted(number: int, noun: str) -> str:
    """Format a number of things: 1 run, 2 runs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def elapsed(seconds: float) -> str:
    """Format a time that has passed: 4.2 s, 42 s, 4 min 05 s, 2 h 03 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def with_interval(result: Any, digits: int = 3, *, signed: bool = False) -> str:
    """Format `mean` ± `half_width` of a `confidence_interval`; without the latter if there is none."""
    mean = f"{result['mean']:{'+' if signed else ''}.{digits}f}"
    return mean if result["half_width"] is None else f"{mean} ± {result['half_width']:.{digits}f}"

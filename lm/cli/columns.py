"""Text in the columns of a terminal: rows cut to one line or wrapped, and values as they are typed."""

import re
from collections.abc import Iterable
from shutil import get_terminal_size
from textwrap import wrap

from lm.process.distribution import with_local_commands

NARROWEST, WIDEST = 40, 100  # columns
FEWEST = 10  # characters that say something
COMMAND, NO_BREAK = re.compile(r"pip install (?:-e )?'[^']*'"), "\xa0"  # what is copied stays on one line
CLAUSE = re.compile(r"[;:](?= )(?![^(]*\))")  # its end, outside of parentheses

Row = tuple[str, str]


def columns() -> int:
    """The width of the output: that of the terminal or COLUMNS, within bounds; 80 in a pipe."""
    return max(NARROWEST, min(WIDEST, get_terminal_size((80, 24)).columns))


def table(rows: Iterable[Row], width: int) -> list[str]:
    """Rows of two columns, each on one line: what does not fit is cut, a text between its clauses if it can be."""
    rows = [(_cut(left, width - 2), right) for left, right in rows]
    at = min(max([len(left) for left, _ in rows], default=0), width * 2 // 5)
    return [f"  {left:<{at}}  {_clauses(right, width - max(at, len(left)) - 4)}".rstrip() for left, right in rows]


def wrapped(rows: Iterable[Row], width: int, *, indent: int) -> list[str]:
    """Rows of two columns, the second one on as many lines as it needs."""
    rows = [*rows]
    at = max([len(left) for left, _ in rows], default=0)
    further = " " * (indent + at + 2)
    lines = []
    for left, right in rows:
        whole = COMMAND.sub(lambda found: found[0].replace(" ", NO_BREAK), with_local_commands(right))
        first = f"{' ' * indent}{left:<{at}}  "
        text = wrap(whole, width, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)
        lines += [line.replace(NO_BREAK, " ") for line in text] or [first.rstrip()]
    return lines


def as_typed(value: object) -> str:
    """A value as a command has it; `…` for one that must be given."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    return {"???": "…", "": '""'}.get(value, value) if isinstance(value, str) else str(value)


def _cut(line: str, width: int) -> str:
    """A line that fits, cut between words where it does not."""
    if len(line) <= width:
        return line
    kept = line[: max(0, width - 1)]
    return f"{kept[:cut] if (cut := kept.rfind(' ')) > width // 2 else kept[:-1]} …"[: max(0, width)]


def _clauses(text: str, width: int) -> str:
    """As many clauses of a sentence as fit; words where the first clause is too long."""
    if len(text) <= width or width < FEWEST:
        return text if len(text) <= width else ""
    ends = [found.start() for found in CLAUSE.finditer(text) if FEWEST <= found.start() <= width]
    return text[: ends[-1]] if ends else _cut(text, width)

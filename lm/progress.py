"""The terminal of a job: lines under one label, and progress bars with the remaining time.

Bars go to the error stream: a moving bar in a terminal, a line every ten seconds in a log. In a notebook they are
widgets, where ipywidgets is there.
"""

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from operator import length_hint
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

from lm.process.ranks import is_first_process

Item = TypeVar("Item")
LABEL_WIDTH = 11  # characters, of the longest name of a job
SHORTEST_BAR, LONGEST_BAR = 10, 50  # characters


class Console:
    """The terminal of one job. It owns the label, its width and the rank: only the first process prints.

    Args:
        label: name of the job, printed in front of each line.
    """

    def __init__(self, label: str):
        self.label = label

    def line(self, text: str, *, before: str = "") -> None:
        """Print `text` under the label; `before` goes in front of the label, as in a blank line."""
        if is_first_process():
            print(f"{before}{self.label:<{LABEL_WIDTH}} {text}", flush=True)

    def lines(self, texts: Iterable[str]) -> None:
        """Print each text under the label."""
        for text in texts:
            self.line(text)

    def block(self, *parts: str) -> None:
        """Print whole parts, such as tables, each after a blank line; empty ones are skipped."""
        if is_first_process():
            print("".join(f"\n{part}\n" for part in parts if part), end="", flush=True)

    def warn(self, text: str) -> None:
        """Print `text` to the error stream."""
        if is_first_process():
            print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Fact:
    """What a bar shows beside the time, as the loss: in full, shorter, and shortest; empty to leave out."""

    full: str
    short: str = ""
    shortest: str = ""


class Bar(tqdm):
    """A bar whose line says less the narrower the terminal is, and never wraps.

    Attributes:
        facts: Called when the bar is drawn, for what is shown after the time.
    """

    monitor_interval = 0  # no watching thread: data workers are forked
    facts: Callable[[], Sequence[Fact]] = tuple

    @property
    def units_per_second(self) -> float:
        """The speed of late; 0 before anything is done."""
        state = self.format_dict
        done, elapsed = state["n"] - (state["initial"] or 0), state["elapsed"]
        return state.get("rate") or (done / elapsed if elapsed else 0.0)

    def speed(self, each: float) -> str:
        """The speed of late in parts of a unit, of which each has so many: 12.0k."""
        return tqdm.format_sizeof(self.units_per_second * each)

    def __str__(self) -> str:
        state = self.format_dict
        speed = self.units_per_second
        remaining = (self.total - self.n) / speed if self.total and speed else None
        count = tqdm.format_sizeof if state["unit_scale"] else str
        return progress_line(
            _columns(state["ncols"]) if self.dynamic_ncols else None,
            label=self.desc.strip(": "),
            counted=f"{count(self.n)}/{count(self.total)}" if self.total else count(self.n),
            unit=self.unit,
            share=self.n / self.total if self.total else None,
            elapsed=tqdm.format_interval(state["elapsed"]),
            remaining="?" if remaining is None else tqdm.format_interval(remaining),
            facts=self.facts(),
        )


def progress_line(
    width: int | None,
    *,
    label: str,
    counted: str,
    unit: str,
    share: float | None,
    elapsed: str,
    remaining: str,
    facts: Sequence[Fact],
) -> str:
    """The line of a bar: the fullest of a few that is narrower than the terminal.

    Args:
        width: Columns of the terminal; None for a log, whose lines have no drawing.
        label: Label in front, the job's name.
        counted: Items done, of all.
        unit: What is counted, in the plural.
        share: Share that is done; None where the total is unknown.
        elapsed: Time so far.
        remaining: Time left.
        facts: What is shown after the time.
    """
    percent = "" if share is None else f"{share:4.0%}"
    spent = f"{elapsed} elapsed" if share is None else f"{elapsed} elapsed, {remaining} left"
    brief = elapsed if share is None else f"{elapsed}<{remaining}"
    full, short, shortest = (
        ([*filter(None, each)] for each in zip(*map(astuple, facts), strict=True)) if facts else ([],) * 3
    )
    end = ", ".join([f"{counted} {unit}", spent, *full])
    head = f"{label:<{LABEL_WIDTH}} {percent}"
    if width is None:
        return f"{head} {end}".strip()
    if share is not None and (room := width - 4 - len(head) - len(end)) >= SHORTEST_BAR:
        done = round(share * (room := min(room, LONGEST_BAR)))
        return f"{head}|{'█' * done}{' ' * (room - done)}| {end}"
    lines = [
        f"{head} {end}",
        " ".join([label, percent.strip(), f"{counted} {unit},", f"{spent},", ", ".join(short)]),
        " ".join([label, percent.strip(), counted, brief, *short]),
        " ".join([percent.strip(), counted, brief, *shortest]),
        " ".join([percent.strip() or counted, brief]),
    ]
    fitting = (re.sub(" +", " ", line).strip(", ") for line in lines[1:])
    return next((line for line in [lines[0], *fitting] if len(line) < width), lines[-1].strip()[: width - 1])


def _columns(terminal: int | None) -> int:
    """The width of the terminal, or COLUMNS where that is less."""
    named = os.environ.get("COLUMNS", "")
    return min(terminal or 80, int(named) if named.isdigit() and int(named) else terminal or 80)


@cache
def _widget(automatic: type[tqdm]) -> type[Bar]:
    """The bar as a widget of the notebook class that tqdm has chosen."""

    class WidgetBar(Bar, automatic):
        __str__ = tqdm.__str__  # drawn by the notebook: no width to fit

        @property
        def format_dict(self) -> dict[str, Any]:
            return {**super().format_dict, "postfix": ", ".join(fact.full for fact in self.facts()) or None}

    return WidgetBar


def _in_notebook() -> type[tqdm] | None:
    """The class that `tqdm.auto` chooses in a notebook with widgets; None elsewhere, without importing it."""
    if not {"ipykernel.zmqshell", "IPython.utils._process_emscripten"} & sys.modules.keys():  # as tqdm asks
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the class is experimental, or that ipywidgets is not there
        from tqdm.auto import tqdm as automatic
    notebook = sys.modules.get("tqdm.notebook")
    return automatic if notebook and issubclass(automatic, notebook.tqdm_notebook) else None


class _Lines:
    """A stream for bars in a log, which has no cursor: each state of the bar becomes a line."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self.stream.write(text.strip() + "\n")

    def flush(self) -> None:
        self.stream.flush()


def bar(total: int | None = None, *, label: str, unit: str, done: int = 0) -> Bar:
    """A progress bar to `update(n)`; it disappears when closed, as the job prints a line of its own.

    Args:
        total: Items in all; without it the bar counts only.
        label: Label in front of the bar, the job's name.
        unit: What is counted, in the plural.
        done: Items done before.
    """
    common = {"total": total, "initial": done, "desc": label, "unit": unit, "leave": False, "miniters": 1}
    common |= {"unit_scale": (total or 0) >= 100_000, "disable": not is_first_process()}
    if automatic := _in_notebook():
        return _widget(automatic)(**common, dynamic_ncols=True, mininterval=0.5, delay=0.5)
    terminal = sys.stderr.isatty()
    return Bar(
        **common,
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        mininterval=0.1 if terminal else 10,
        delay=0 if terminal else 10,
    )


def track(iterable: Iterable[Item], *, label: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items under a progress bar; `total` defaults to the length of the iterable, if it has one."""
    with bar(total or length_hint(iterable) or None, label=label, unit=unit) as progress:
        for item in iterable:
            yield item
            progress.update()

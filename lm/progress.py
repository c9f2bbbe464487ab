"""The terminal of a job: lines under one label, and progress bars with the remaining time.

Bars go to the error stream: a moving bar in a terminal, a line every ten seconds in a log.
"""

import sys
from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import TextIO, TypeVar

from tqdm import tqdm

from lm.process.ranks import is_first_process

Item = TypeVar("Item")
LABEL_WIDTH = 11  # characters, of the longest name of a job


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


class _Bar(tqdm):
    monitor_interval = 0  # no watching thread: data workers are forked


class _Lines:
    """A stream for bars in a log, which has no cursor: each state of the bar becomes a line."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self.stream.write(text.strip() + "\n")

    def flush(self) -> None:
        self.stream.flush()


def bar(total: int | None = None, *, label: str, unit: str, done: int = 0) -> tqdm:
    """A progress bar to `update(n)`; it disappears when closed, as the job prints a line of its own.

    Args:
        total: Items in all; without it the bar counts only.
        label: Label in front of the bar, the job's name.
        unit: What is counted, in the plural.
        done: Items done before.
    """
    terminal = sys.stderr.isatty()
    counted = (
        "{percentage:3.0f}%" + ("|{bar}| " if terminal else " ") + "{n_fmt}/{total_fmt} {unit}, {elapsed} elapsed, "
    )
    return _Bar(
        total=total,
        initial=done,
        desc=f"{label:<{LABEL_WIDTH}}",
        unit=unit,
        unit_scale=(total or 0) >= 100_000,
        bar_format="{desc} " + (counted + "{remaining} left" if total else "{n_fmt} {unit}, {elapsed}") + "{postfix}",
        leave=False,
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        mininterval=0.1 if terminal else 10,
        delay=0 if terminal else 10,
        miniters=1,
        disable=not is_first_process(),
    )


def track(iterable: Iterable[Item], *, label: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items under a progress bar; `total` defaults to the length of the iterable, if it has one."""
    with bar(total or length_hint(iterable) or None, label=label, unit=unit) as progress:
        for item in iterable:
            yield item
            progress.update()

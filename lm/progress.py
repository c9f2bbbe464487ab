"""Progress with time left, on the error stream: a bar for people, a line every ten seconds for a log."""

import sys
from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import TextIO, TypeVar

from tqdm import tqdm

from lm.process.ranks import is_first_process

Item = TypeVar("Item")


class _Bar(tqdm):
    monitor_interval = 0  # no watching thread: data workers are forked


class _Lines:
    """A log has no cursor to move back: each state of the bar becomes a line."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self.stream.write(text.strip() + "\n")

    def flush(self) -> None:
        self.stream.flush()


def bar(total: int | None = None, *, label: str, unit: str, done: int = 0) -> tqdm:
    """A bar to `update(n)`, `done` of it before; gone when closed, as the job's own line says what was done."""
    here = sys.stderr.isatty()
    counted = "{percentage:3.0f}%" + ("|{bar}| " if here else " ") + "{n_fmt}/{total_fmt} {unit}, {elapsed} gone, "
    return _Bar(
        total=total,
        initial=done,
        desc=f"{label:<11}",
        unit=unit,
        unit_scale=(total or 0) >= 100_000,
        bar_format="{desc} " + (counted + "{remaining} left" if total else "{n_fmt} {unit}, {elapsed}") + "{postfix}",
        leave=False,
        dynamic_ncols=here,
        file=sys.stderr if here else _Lines(sys.stderr),
        mininterval=0.1 if here else 10,
        delay=0 if here else 10,
        miniters=1,
        disable=not is_first_process(),
    )


def track(iterable: Iterable[Item], *, label: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """Pass the items on and show how far they are; `total` is asked of the iterable if not given."""
    with bar(total or length_hint(iterable) or None, label=label, unit=unit) as shown:
        for item in iterable:
            yield item
            shown.update()

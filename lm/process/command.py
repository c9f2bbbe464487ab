"""The command that this process carries out, as it was typed: what a run records to be made again."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_words: ContextVar[tuple[str, ...]] = ContextVar("command", default=())


@contextmanager
def carrying_out(words: Sequence[str]) -> Iterator[None]:
    """Take `words` for the command while the block runs."""
    token = _words.set(tuple(words))
    try:
        yield
    finally:
        _words.reset(token)


def command_line() -> str:
    """The command as a shell takes it; empty where jobs are called from Python."""
    return shlex.join(_words.get())

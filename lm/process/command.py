"""The command that this process carries out, as it was typed: what a run records to be made again."""

import os
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
    return shell_line(_words.get())


def command_words() -> tuple[str, ...]:
    """The words of the command; none where jobs are called from Python."""
    return _words.get()


def shell_line(words: Sequence[str]) -> str:
    """Words as the shell of this system takes them."""
    if os.name != "nt":
        return shlex.join(words)
    from subprocess import list2cmdline

    return list2cmdline(words)

"""The command `lm` in a process of its own, forked from one that has loaded torch already.

`tests/test_journey.py` starts processes from nothing, as a shell does.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import CompletedProcess
from threading import Timer

import lm.__main__ as entry
from support.forks import forks


def lm(*arguments: str, **environment: str) -> CompletedProcess:
    """Run `lm` with these arguments."""
    return forked(_lm, *arguments, **environment)


def lm_offline(*arguments: str, **environment: str) -> CompletedProcess:
    """Run `lm` in a process whose sockets refuse to connect."""
    return forked(_offline, *arguments, **environment)


def loads(module: str, *arguments: str) -> bool:
    """Whether `lm` with these arguments has imported a module by its end."""
    done = forked(_loads, module, *arguments)
    assert done.returncode in (0, 3), done.stderr
    return done.returncode == 3


def forked(function: Callable[..., None], *arguments: str, seconds: int = 240, **environment: str) -> CompletedProcess:
    """Call a function in a process of its own; return once all that could still write to its output have ended."""
    return Begun(*arguments, function=function, session=False, **environment).ended(seconds)


class Begun:
    """`lm` with these arguments, or a function, that goes on beside the test; in a session of its own, as a terminal's.

    `start_new_session` of subprocess gives the same, but imports torch and Lightning anew, which takes seconds.
    """

    def __init__(
        self, *arguments: str, function: Callable[..., None] | None = None, session: bool = True, **environment: str
    ):
        self.words = [(function or _lm).__name__, *arguments]
        pipes = [forks.Pipe(duplex=False) for _ in range(2)]
        self.pipes = [begin for begin, _ in pipes]
        given = (function or _lm, arguments, environment, session, *(end for _, end in pipes))
        self.process = forks.Process(target=_called, args=given)
        self.process.start()
        self.pid = self.process.pid
        for _, end in pipes:
            end.close()

    def poll(self) -> int | None:
        """The exit code; None while it goes on."""
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.process.kill()

    def ended(self, seconds: int = 240) -> CompletedProcess:
        """Wait for it and for all that could still write to its output."""
        limit = Timer(seconds, self.process.kill)
        limit.start()
        with ThreadPoolExecutor() as pool:
            output, errors = pool.map(_read, self.pipes)
        self.process.join()
        limit.cancel()
        return CompletedProcess(self.words, self.process.exitcode, output, errors)


def _read(pipe: Connection) -> str:
    with open(os.dup(pipe.fileno()), encoding="utf-8") as file:
        return file.read()


def _called(
    function: Callable[..., None],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    session: bool,
    output: Connection,
    errors: Connection,
) -> None:
    if session:
        os.setsid()
    for number, pipe in enumerate((output, errors), 1):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    os.environ.update(environment)
    multiprocessing.set_start_method("fork", force=True)  # so that data workers are its own and end with it
    function(*arguments)


def _lm(*arguments: str) -> None:
    sys.argv = [str(Path(entry.__file__)), *arguments]
    entry.start()


def _offline(*arguments: str) -> None:
    """Run `lm` where a connection is an error."""
    import socket

    def refuse(self, address: object, *rest: object) -> None:
        raise RuntimeError(f"a socket to {address}")

    socket.socket.connect = socket.socket.connect_ex = refuse
    _lm(*arguments)


def _loads(module: str, *arguments: str) -> None:
    from lm.cli.main import main

    sys.exit(main([*arguments]) or 3 * (module in sys.modules))

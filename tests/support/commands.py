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


def loads(module: str, *arguments: str) -> bool:
    """Whether `lm` with these arguments has imported a module by its end."""
    done = forked(_loads, module, *arguments)
    assert done.returncode in (0, 3), done.stderr
    return done.returncode == 3


def forked(function: Callable[..., None], *arguments: str, seconds: int = 240, **environment: str) -> CompletedProcess:
    """Call a function in a process of its own; return once all that could still write to its output have ended."""
    pipes = [forks.Pipe(duplex=False) for _ in range(2)]
    process = forks.Process(target=_called, args=(function, arguments, environment, *(end for _, end in pipes)))
    process.start()
    limit = Timer(seconds, process.kill)
    limit.start()
    for _, end in pipes:
        end.close()
    with ThreadPoolExecutor() as pool:
        output, errors = pool.map(_read, [begin for begin, _ in pipes])
    process.join()
    limit.cancel()
    return CompletedProcess([function.__name__, *arguments], process.exitcode, output, errors)


def _read(pipe: Connection) -> str:
    with open(os.dup(pipe.fileno()), encoding="utf-8") as file:
        return file.read()


def _called(
    function: Callable[..., None],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    output: Connection,
    errors: Connection,
) -> None:
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


def _loads(module: str, *arguments: str) -> None:
    from lm.cli.main import main

    sys.exit(main([*arguments]) or 3 * (module in sys.modules))

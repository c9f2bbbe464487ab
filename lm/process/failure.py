"""How failures are reported: a user's mistake in one line, a bug with its traceback."""

import errno
import json
import os
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from types import FrameType

from lm.files import write_atomically
from lm.process.distribution import extra_with, install_command
from lm.process.ranks import this_rank

MISTAKE, BUG, INTERRUPTED = 2, 1, 130  # exit codes
PIPE_CLOSED = 141  # exit code that a shell gives for SIGPIPE
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
REPORT = "LM_RANK_REPORT"  # environment variable: the file for the failure of a rank that another process launched


@dataclass(frozen=True)
class Failure:
    """A failure as it is reported, by this process or by another rank."""

    text: str  # all of it, with a traceback if it is a bug
    line: str
    code: int  # exit code
    follows: bool = False  # caused by the loss of another rank
    when: float = 0.0  # seconds since the epoch


class RankError(Exception):
    """Another rank failed, and this one cannot continue without it."""

    def __init__(self, failure: Failure):
        super().__init__(failure.line)
        self.failure = failure


def report_failure(error: BaseException) -> int:
    """Print what went wrong and return the exit code; with LM_DEBUG=1 a user's mistake has a traceback too.

    A rank that another process launched writes its failure to a file for that process instead.
    """
    if isinstance(error, BrokenPipeError) and _pipe_is_closed():
        return PIPE_CLOSED
    failure = _failure(error)
    if not write_report(failure):
        print(failure.text, end="", file=sys.stderr, flush=True)
    return failure.code


def one_line(error: BaseException) -> str:
    """The message of a user's mistake; of a bug its type and message."""
    return _failure(error).line


def refusal(error: BaseException) -> str:
    """The line of a user's mistake, as the command prints it; "" for a bug, which keeps its traceback."""
    failure = _failure(error)
    return failure.line if failure.code == MISTAKE else ""


def write_report(failure: Failure) -> bool:
    """Write the failure for the process that launched this rank, unless one is written; False if none launched it."""
    if REPORT not in os.environ:
        return False
    if not (path := Path(os.environ[REPORT])).exists():
        write_atomically(path, json.dumps({**asdict(failure), "when": time()}))
    return True


def install_hint(error: ImportError) -> str:
    """`; ` and the command that installs the extra with the package that `error` names; "" where no extra has it."""
    extra = extra_with(error.name or str(error))
    return f"; {install_command(extra)}" if extra else ""


def _failure(error: BaseException) -> Failure:
    if isinstance(error, RankError):
        return error.failure
    rank = this_rank()
    where = getattr(error, "__notes__", [f"on {rank}"] if rank else [])
    error = _disk_full(error) or error
    mistake = _is_mistake(error)
    trace = "" if mistake and not os.environ.get("LM_DEBUG") else "".join(traceback.format_exception(error))
    line = _message(error) if mistake else f"{type(error).__name__}: {error}"
    line += f" ({', '.join(where)})" if where else ""
    return Failure(f"{trace}error: {line}\n" if mistake else trace, line, code=MISTAKE if mistake else BUG)


def _pipe_is_closed() -> bool:
    """Whether the reader of our output has exited, as in `lm … | head`."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's last flush complains
        return True
    return False


def _disk_full(error: BaseException | None) -> OSError | None:
    """The error of a full disk behind another one: writers often raise again as they close."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:  # an error raised again from a later one makes a cycle
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return error
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def _is_mistake(error: BaseException) -> bool:
    """Whether the user can mend it: a ValueError that this package raised, a missing file, a missing extra.

    A ValueError from inside a library is a bug of ours. A file may be opened by any module of Python for us.
    """
    if isinstance(error, ImportError):
        return bool(install_hint(error))
    raised_in = [_package(frame) for frame, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    if isinstance(error, OSError):
        raised_in = [package for package in raised_in if package not in sys.stdlib_module_names]
        return bool(raised_in) and raised_in[-1] == "lm" and (not error.errno or error.filename is not None)
    return isinstance(error, ValueError) and bool(raised_in) and raised_in[-1] == "lm"


def _package(frame: FrameType) -> str:
    return frame.f_globals.get("__name__", "").partition(".")[0]


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return f"{error.strerror}: no partial file is left; make room, then run the same command again to resume"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, ImportError):
        return f"{str(error).splitlines()[0].rstrip('.')}{install_hint(error)}"
    return str(error)

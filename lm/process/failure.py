"""How an end that is no success is told: a user's mistake in a line, ours with its traceback."""

import errno
import os
import sys
import traceback
from types import FrameType

from lm.process.extras import remedy
from lm.process.launch import Failure, RankError, report
from lm.process.ranks import this_rank

MISTAKE, BUG, INTERRUPTED = 2, 1, 130
UNREAD = 141  # what a shell makes of SIGPIPE
FULL = (errno.ENOSPC, errno.EDQUOT)


def report_failure(error: BaseException) -> int:
    """Print what went wrong and give the exit code; with LM_DEBUG=1 a user's mistake has a traceback too.

    A rank that another process has launched leaves its words to that one.
    """
    if isinstance(error, BrokenPipeError) and _reader_has_gone():
        return UNREAD
    failure = _as_told(error)
    if not report(failure):
        print(failure.told, end="", file=sys.stderr, flush=True)
    return failure.code


def in_a_line(error: BaseException) -> str:
    """What `report_failure` prints of a user's mistake; of a bug of ours its kind and its message."""
    return _as_told(error).line


def _as_told(error: BaseException) -> Failure:
    if isinstance(error, RankError):
        return error.failure
    rank = this_rank()
    where = getattr(error, "__notes__", [f"on {rank}"] if rank else [])
    error = _full_disk(error) or error
    mistake = _is_users(error)
    told = "" if mistake and not os.environ.get("LM_DEBUG") else "".join(traceback.format_exception(error))
    line = _message(error) if mistake else f"{type(error).__name__}: {error}"
    line += f" ({', '.join(where)})" if where else ""
    return Failure(f"{told}error: {line}\n" if mistake else told, line, code=MISTAKE if mistake else BUG)


def _reader_has_gone() -> bool:
    """Whether nobody reads on what we print, as after `lm … | head`: no fault, and nothing to report_failure."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's last flush complains
        return True
    return False


def _full_disk(error: BaseException | None) -> OSError | None:
    """What began it where the disk is full: writers fail once more as they close, with stranger words."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:  # who raises an error again from another one ties a loop
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def _is_users(error: BaseException) -> bool:
    """Our ValueErrors are written for the user; those from deep inside a library mean a bug of ours.

    A file that is not there, or not allowed, is the user's whichever of Python's modules opened it for us; so is
    a package that one of our extras brings.
    """
    if isinstance(error, ImportError):
        return bool(remedy(error))
    raised_in = [_package(frame) for frame, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    if isinstance(error, OSError):
        raised_in = [package for package in raised_in if package not in sys.stdlib_module_names]
        return bool(raised_in) and raised_in[-1] == "lm" and (not error.errno or error.filename is not None)
    return isinstance(error, ValueError) and bool(raised_in) and raised_in[-1] == "lm"


def _package(frame: FrameType) -> str:
    return frame.f_globals.get("__name__", "").partition(".")[0]


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{error.strerror}: nothing half-written is kept; make room, then the same command goes on"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, ImportError):
        return f"{str(error).splitlines()[0].rstrip('.')}{remedy(error)}"
    return str(error)

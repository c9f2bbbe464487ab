"""How an end that is no success is told: a user's mistake in a line, ours with its traceback."""

import os
import sys
import traceback
from types import FrameType

from lm.ranks import is_first_process

MISTAKE, BUG, INTERRUPTED = 2, 1, 130


def tell(error: BaseException) -> int:
    """Print what went wrong and give the exit code; with LM_DEBUG=1 a user's mistake has a traceback too."""
    mistake = _is_users(error)
    if not mistake or os.environ.get("LM_DEBUG"):
        traceback.print_exception(error)
    if mistake:
        who = "" if is_first_process() else "another rank: "
        print(f"{who}error: {_message(error)}", file=sys.stderr)
    return MISTAKE if mistake else BUG


def _is_users(error: BaseException) -> bool:
    """Our ValueErrors are written for the user; those from deep inside a library mean a bug of ours.

    A file that is not there, or not allowed, is the user's whichever of Python's modules opened it for us.
    """
    raised_in = [_package(frame) for frame, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, OSError):
        raised_in = [package for package in raised_in if package not in sys.stdlib_module_names]
        return bool(raised_in) and raised_in[-1] == "lm" and (not error.errno or error.filename is not None)
    return isinstance(error, ValueError) and bool(raised_in) and raised_in[-1] == "lm"


def _package(frame: FrameType) -> str:
    return frame.f_globals.get("__name__", "").partition(".")[0]


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)

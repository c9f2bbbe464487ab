"""Locks on open files, by the system's own calls: POSIX record locks, or those of Microsoft's C library."""

import os
import struct
import sys
from pathlib import Path
from time import sleep
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

# struct flock, for a question about a lock that does not take it: type, whence, start, length, process
QUESTION, KIND = ("qqihh", 3) if sys.platform == "darwin" else ("hhqqi", 0)
FAR = 1 << 30  # of the byte that is locked on Windows, where nobody may read a locked one
PAUSE = 0.1  # seconds between two attempts on Windows, whose own waiting gives up after ten


def lock_file(file: IO, *, wait: bool) -> None:
    """Lock an open file against other processes, until it is closed or the process ends.

    Processes that are started or forked meanwhile do not inherit the lock.

    Args:
        file: The file, open for writing.
        wait: Whether to wait for another process that holds the lock.

    Raises:
        OSError: Another process holds the lock, and `wait` is false.
    """
    if fcntl:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    while True:
        try:
            return _with_far_byte(file.fileno(), msvcrt.LK_NBLCK)
        except OSError:
            if not wait:
                raise
        sleep(PAUSE)


def locked_by_another(path: Path) -> bool:
    """Whether another process holds the lock of a file; asks without taking it, except for a moment on Windows."""
    try:
        with open(path, "rb" if fcntl else "r+b") as file:
            return _held_posix(file) if fcntl else _held_windows(file)
    except OSError:
        return False


def _held_posix(file: IO) -> bool:
    question: list[int] = [0] * len(QUESTION)
    question[KIND] = fcntl.F_WRLCK
    answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(QUESTION, *question))
    return struct.unpack(QUESTION, answer)[KIND] != fcntl.F_UNLCK


def _held_windows(file: IO) -> bool:
    try:
        _with_far_byte(file.fileno(), msvcrt.LK_NBLCK)
    except OSError:
        return True
    _with_far_byte(file.fileno(), msvcrt.LK_UNLCK)
    return False


def _with_far_byte(number: int, mode: int) -> None:
    """Lock or unlock a byte far behind the end of the file, and leave the file's position as it was."""
    here = os.lseek(number, 0, os.SEEK_CUR)
    os.lseek(number, FAR, os.SEEK_SET)
    try:
        msvcrt.locking(number, mode, 1)
    finally:
        os.lseek(number, here, os.SEEK_SET)

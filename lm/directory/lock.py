"""The lock of a run directory, held by the one process that executes the run or removes it."""

import fcntl
import os
import socket
import struct
import sys
from pathlib import Path
from typing import TextIO
from weakref import WeakSet

from lm.directory.layout import LOCK

# struct flock, for a question about a lock that does not take it: type, whence, start, length, process
QUESTION, KIND = ("qqihh", 3) if sys.platform == "darwin" else ("hhqqi", 0)
_held: WeakSet["DirectoryLock"] = WeakSet()  # by this process


class DirectoryLock:
    """A lock on a directory, until it is released or the process ends.

    A record lock, not flock: data workers do not inherit it, and they may outlive a killed run by seconds. Its own
    process does not see such a lock, and loses it by opening and closing the file again, so `is_locked` does neither.

    Args:
        directory: The directory, which is made if it is not there.

    Raises:
        ValueError: Another process holds it.
    """

    def __init__(self, directory: Path):
        self.place = os.path.realpath(directory)
        self._file = self._acquired(directory)
        _held.add(self)

    def release(self) -> None:
        """Let others take it."""
        _held.discard(self)
        self._file.close()

    def _acquired(self, directory: Path) -> TextIO:
        while True:
            directory.mkdir(parents=True, exist_ok=True)
            try:
                file = open(directory / LOCK, "a+")  # noqa: SIM115 (open as long as the lock is held)
            except FileNotFoundError:  # the directory was removed a moment ago
                continue
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                file.close()
                raise ValueError(
                    f"run {directory} is in use by {holder}: wait for it, or set run.name to another name"
                ) from None
            if _is_at(file, directory / LOCK):
                break
            file.close()  # of a run that was removed a moment ago
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        return file


def is_locked(directory: Path) -> bool:
    """Whether a process executes the run; asks without taking the lock, so that a start at this moment succeeds."""
    place = os.path.realpath(directory)
    if any(lock.place == place for lock in [*_held]):
        return True
    question: list[int] = [0] * len(QUESTION)
    question[KIND] = fcntl.F_WRLCK
    try:
        with open(directory / LOCK, "rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(QUESTION, *question))
    except OSError:
        return False
    return struct.unpack(QUESTION, answer)[KIND] != fcntl.F_UNLCK


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether an open file is the one at a path: another process may have removed that one."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


os.register_at_fork(after_in_child=_held.clear)  # which holds none of them

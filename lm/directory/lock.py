"""The lock of a run directory, held by the one process that executes the run or removes it."""

import os
import socket
from pathlib import Path
from typing import TextIO
from weakref import WeakSet

from lm.directory.layout import LOCK
from lm.file_lock import lock_file, locked_by_another

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
                file = open(directory / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 (open as long as the lock is held)
            except FileNotFoundError:  # the directory was removed a moment ago
                continue
            try:
                lock_file(file, wait=False)
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
    return locked_by_another(directory / LOCK)


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether an open file is the one at a path: another process may have removed that one."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


if "register_at_fork" in dir(os):  # not on Windows, where no process is forked
    os.register_at_fork(after_in_child=_held.clear)  # a child holds none of them

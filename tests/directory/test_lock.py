"""A directory is locked by one process, which knows its own locks."""

import fcntl
import gc
import subprocess
import sys
from pathlib import Path

import pytest

from lm.directory.layout import LOCK
from lm.directory.lock import DirectoryLock, is_locked


def refused_elsewhere(directory: Path) -> bool:
    """Whether another process is refused the lock."""
    code = "import sys, pathlib; from lm.directory.lock import DirectoryLock; DirectoryLock(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(directory)], capture_output=True, text=True)
    assert done.returncode == 0 or "is in use by process" in done.stderr
    return done.returncode != 0


def test_the_process_that_holds_a_lock_knows_it(tmp_path: Path):
    lock = DirectoryLock(tmp_path)
    assert is_locked(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)


def test_asking_does_not_release_a_lock(tmp_path: Path):
    lock = DirectoryLock(tmp_path)
    assert is_locked(tmp_path)
    assert refused_elsewhere(tmp_path)
    lock.release()
    assert not refused_elsewhere(tmp_path)


def test_a_lock_that_nobody_refers_to_is_gone(tmp_path: Path):
    DirectoryLock(tmp_path)
    gc.collect()
    assert not is_locked(tmp_path)


def test_a_file_that_is_removed_before_it_is_locked_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As of a run that another process removes at this moment: the lock is on the file that is there afterwards."""
    lock_file, removals = fcntl.lockf, [1]

    def removed_first(file, operation: int) -> None:
        if removals:
            removals.pop()
            (tmp_path / LOCK).unlink()
        lock_file(file, operation)

    monkeypatch.setattr(fcntl, "lockf", removed_first)
    lock = DirectoryLock(tmp_path)
    assert refused_elsewhere(tmp_path)
    lock.release()

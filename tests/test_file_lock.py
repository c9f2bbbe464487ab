"""Locks of files, by POSIX calls and by those of Windows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lm import file_lock
from support import without_posix

HOLD = "import fcntl, os, sys; f = open(sys.argv[1], 'r+'); os.lseek(f.fileno(), int(sys.argv[2]), 0); "
HOLD += "fcntl.lockf(f, fcntl.LOCK_EX, int(sys.argv[3]), 0, os.SEEK_CUR); print(flush=True); input()"


@pytest.fixture(params=["posix", "windows"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "windows":
        monkeypatch.setattr(file_lock, "fcntl", None)
        monkeypatch.setattr(file_lock, "msvcrt", without_posix.msvcrt, raising=False)
        monkeypatch.setattr(file_lock, "PAUSE", 0.01)
    return request.param


def test_a_lock_is_seen_refused_and_waited_for_and_the_file_stays_readable(system: str, tmp_path: Path):
    path = tmp_path / "lock"
    path.write_text("process 1")
    assert not file_lock.locked_by_another(path)
    place = ["0", "0"] if system == "posix" else [str(file_lock.FAR), "1"]
    command = [sys.executable, "-c", HOLD, str(path), *place]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert file_lock.locked_by_another(path)
        with open(path, "a+") as file:
            with pytest.raises(OSError, match="Errno"):
                file_lock.lock_file(file, wait=False)
            file.seek(0)
            assert file.read() == "process 1"
            other.stdin.write(b"\n")
            other.stdin.flush()
            file_lock.lock_file(file, wait=True)
            assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == len("process 1")
    assert not file_lock.locked_by_another(path)
    assert not file_lock.locked_by_another(tmp_path / "absent")

"""Check that shards are what was written, without reading all of them at every start."""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from lm.corpus.layout import VERIFIED
from lm.files import hash_file, hash_json, write_atomically
from lm.progress import track

AGAIN = "make the corpus again, by the command that made it with run.restart=true"
BOOT = Path("/proc/sys/kernel/random/boot_id")  # Linux; elsewhere a restart does not cause a full check

Verify = Literal["auto", "always", "never"]


def verify_shards(directory: Path, split: str, hashes: Mapping[Path, str], *, verify: Verify) -> None:
    """Compare files with the hashes that their writer recorded; reads about a gigabyte per second.

    A full check records each file's size and times in the corpus directory. `auto` repeats it only if any of these
    differs from the last full check by the same user on this machine, or if the machine has restarted since, cleanly
    or not. The record holds the time of the last change of the inode (ctime) besides that of the content (mtime),
    so a copy, or a changed file whose mtime was set back, is checked again. Bytes that change beneath the file system,
    on a failing disk, are found by `always` only. In a directory that is not writable nothing is recorded, and `auto`
    checks in full each time. Two processes may check at once; the record is replaced atomically.

    Args:
        directory: The corpus.
        split: `train` or `validation`, recorded separately.
        hashes: File → hash.
        verify: `auto`, `always` or `never`.

    Raises:
        ValueError: A file differs from what was written.
    """
    record, reader = directory / VERIFIED, f"{split} {_user()}@{socket.gethostname()}"
    stamps = _stamps(hashes)  # before reading: a change during the check must not be recorded as checked
    if verify == "never" or (verify == "auto" and _read(record).get(reader) == stamps):
        return
    for path, expected in track(hashes.items(), label="checking", unit="shards"):
        if hash_file(path) != expected:
            raise ValueError(f"{path} is damaged (it is not what was written): {AGAIN}")
    try:
        write_atomically(record, json.dumps(_read(record) | {reader: stamps}, indent=1))
    except OSError:  # a corpus that others provide, not writable
        return


def _user() -> str:
    """Who reads: the number of the user, or the name on Windows, which has none."""
    return str(os.getuid()) if "getuid" in dir(os) else os.environ.get("USERNAME", "")


def _stamps(hashes: Mapping[Path, str]) -> str:
    """Hash of the machine's start and of each file's name, size, times and expected hash."""
    boot = BOOT.read_text(encoding="ascii").strip() if BOOT.is_file() else ""
    files = [(path.name, path.stat(), expected) for path, expected in hashes.items()]
    return hash_json([boot, [[name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, expected] for name, s, expected in files]])


def _read(record: Path) -> dict[str, str]:
    """Reader → stamps of its last full check; empty if there is no readable record."""
    try:
        content = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

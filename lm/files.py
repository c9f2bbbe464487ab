"""Atomic writes, errors that name damaged files, and the hashes that identify artefacts."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from time import sleep

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")
WINDOWS = os.name == "nt"
FORBIDDEN = '\\:*?"<>|'  # in names on Windows: a separator, a drive, and what its file systems refuse
PAUSES = [0.02 * 2**attempt for attempt in range(7)]  # seconds, between attempts to replace a file that is read


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` on success.

    A process that dies in between leaves `path` as it was. The file extension is kept: some writers choose the format
    by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{token_hex(4)}{path.suffix}")
    try:
        yield temporary
        sync(temporary)
        replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def replace(source: Path, target: Path) -> None:
    """Rename a file to `target`, whatever is there; on Windows wait for those who read that, for two seconds."""
    for pause in PAUSES if WINDOWS else ():
        try:
            os.replace(source, target)
            return
        except PermissionError:
            sleep(pause)
    os.replace(source, target)


def is_temporary(path: Path) -> bool:
    """Whether a file is one that `atomic_path` had not renamed yet when its process was killed."""
    return TEMPORARY.fullmatch(path.name) is not None


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write `data` to `path` so that neither a reader nor a power cut leaves half of it visible."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


class DamagedFileError(ValueError):
    """A file that cannot be read, by name."""


@contextmanager
def report_damage(path: str | Path, remedy: str) -> Iterator[None]:
    """Turn any error of the enclosed reader into one ValueError that names the file and the remedy.

    An error that names a damaged file already, as that of an archive's member, passes unchanged.

    Args:
        path: The file that is read.
        remedy: What the user can do if it is missing or damaged.
    """
    try:
        yield
    except DamagedFileError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise DamagedFileError(f"{error.filename}: {error.strerror}: {remedy}") from error
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DamagedFileError(f"{path} is damaged ({reason}): {remedy}") from error


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on disk. Windows has no such call for directories."""
    if WINDOWS and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)  # Windows syncs what may be written
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hash_bytes(data: bytes) -> str:
    """Hash bytes with blake2b to 32 hexadecimal digits."""
    return blake2b(data, digest_size=16).hexdigest()


def hash_file(path: str | Path) -> str:
    """Hash a file of any size; equal to `hash_bytes` of its content."""
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_json(value: object) -> str:
    """Hash plain data, independent of the order of keys."""
    return hash_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())

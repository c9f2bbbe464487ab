"""Files that are either wholly there or not there at all, and hashes by which artefacts know each other."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path beside `path`, for a writer that wants a file name; renamed to `path` when all went well.

    Whoever dies on the way leaves `path` as it was. The ending stays: some writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{token_hex(4)}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write `data` to `path` so that no reader and no power cut ever sees half of it."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def undamaged(path: str | Path, remedy: str) -> Iterator[None]:
    """Read a file inside; whatever its reader says of missing or broken content becomes a line with the remedy."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise ValueError(f"{error.filename}: {error.strerror}: {remedy}") from error
        told = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"{path} is damaged ({told}): {remedy}") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hash_bytes(data: bytes) -> str:
    """32 hexadecimal digits of blake2b."""
    return blake2b(data, digest_size=16).hexdigest()


def hash_file(path: str | Path) -> str:
    """What `hash_bytes` gives for the content of a file of any size."""
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_json(value: object) -> str:
    """Hash plain data; the order of keys does not matter."""
    return hash_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())

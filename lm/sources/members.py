"""Open the files that patterns name, as streams of bytes, whatever they are packed in."""

import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path
from typing import IO

import pyzstd

from lm.files import undamaged

DAMAGED = "fetch or pack it again, or leave it out"
ANY_WINDOW = {pyzstd.DParameter.windowLogMax: 31}  # corpora are often packed with `zstd --long=31`


def find_files(patterns: str | list[str], *, key: str = "corpus.path") -> list[Path]:
    """Every file that the patterns name, sorted within each, none twice. `**` reaches into folders.

    `key` is where the config has them.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    if not patterns:
        raise ValueError(f"{key} is empty: name at least one file or pattern")
    found: dict[Path, None] = {}
    for pattern in patterns:
        full = str(Path(pattern).expanduser())
        names = sorted(glob(full, recursive=True)) if has_magic(full) and not Path(full).exists() else [full]
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files and Path(full).is_dir():
            raise ValueError(f"{key} {pattern} is a folder: say which files, for example {pattern}/**/*.txt")
        if not files:
            what = "matches no file" if has_magic(full) else "does not exist"
            raise ValueError(f"{key} {pattern} {what} (looked from {Path.cwd()})")
        found.update(dict.fromkeys(files))
    return list(found)


def open_members(path: Path) -> Iterator[tuple[str, "Unpacked"]]:
    """(name, stream) of each text in a file: itself, or unpacked from .gz, .zst, .tar or .zip."""
    with undamaged(path, DAMAGED):
        for name, stream in _members(path):
            yield name, Unpacked(stream, path)


class Unpacked:
    """A stream of bytes that says which file is damaged where unpacking it fails."""

    def __init__(self, stream: IO[bytes], path: Path):
        self._stream, self._path = stream, path

    def read(self, size: int = -1) -> bytes:
        with undamaged(self._path, DAMAGED):
            return self._stream.read(size)

    def readline(self) -> bytes:
        with undamaged(self._path, DAMAGED):
            return self._stream.readline()

    def __iter__(self) -> Iterator[bytes]:
        with undamaged(self._path, DAMAGED):
            yield from self._stream


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    name = path.name.lower()
    if name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    yield f"{path.name}/{member.name}", archive.extractfile(member)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as stream:
                        yield f"{path.name}/{member.filename}", stream
    elif name.endswith(".gz"):
        with gzip.open(path) as stream:
            yield path.name, stream
    elif name.endswith(".zst"):
        with pyzstd.open(path, level_or_option=ANY_WINDOW) as stream:
            yield path.name, stream
    else:
        with path.open("rb") as stream:
            yield path.name, stream

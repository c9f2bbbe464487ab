"""Open files and the members of archives as streams of bytes, decompressed."""

import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path
from typing import IO

import pyzstd

from lm.files import report_damage

DAMAGED = "download or pack it again, or remove it from the path"
ANY_WINDOW = {pyzstd.DParameter.windowLogMax: 31}  # corpora are often packed with `zstd --long=31`


def find_files(patterns: str | list[str], *, key: str = "corpus.path") -> list[Path]:
    """Return the files that the patterns match, sorted within each pattern, without repetition.

    Args:
        patterns: Files or glob patterns; `**` matches any number of folders.
        key: Config key of the patterns, for messages.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    if not patterns:
        raise ValueError(f"{key} is empty: name at least one file or pattern")
    matches: dict[Path, None] = {}
    for pattern in patterns:
        full = str(Path(pattern).expanduser())
        names = sorted(glob(full, recursive=True)) if has_magic(full) and not Path(full).exists() else [full]
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files and Path(full).is_dir():
            raise ValueError(f"{key} {pattern} is a folder: name the files, for example {pattern}/**/*.txt")
        if not files:
            state = "matches no file" if has_magic(full) else "does not exist"
            raise ValueError(f"{key} {pattern} {state} (working directory {Path.cwd()})")
        matches.update(dict.fromkeys(files))
    return list(matches)


def open_members(path: Path) -> Iterator[tuple[str, "Unpacked"]]:
    """Yield (name, stream) of a file, or of each member of a .tar or .zip; .gz and .zst are decompressed."""
    with report_damage(path, DAMAGED):
        for name, stream in _members(path):
            yield name, Unpacked(stream, path)


class Unpacked:
    """A stream of bytes that names the file if decompressing it fails."""

    def __init__(self, stream: IO[bytes], path: Path):
        self._stream, self._path = stream, path

    def read(self, size: int = -1) -> bytes:
        with report_damage(self._path, DAMAGED):
            return self._stream.read(size)

    def readline(self) -> bytes:
        with report_damage(self._path, DAMAGED):
            return self._stream.readline()

    def __iter__(self) -> Iterator[bytes]:
        with report_damage(self._path, DAMAGED):
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

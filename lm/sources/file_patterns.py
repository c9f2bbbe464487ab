"""Find files by patterns. A folder that cannot be read is an error, and a file with two names is found once.

`glob` of the standard library passes over folders that it may not read, and follows a link to a folder above it for
forty rounds.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from glob import has_magic
from pathlib import Path

from lm.corpus.tally import Tally

SECOND_NAME = "files were reached by a second name (a link) and read once"
ABSENT = {errno.ENOENT, errno.ENOTDIR}


def find_files(patterns: str | list[str], *, key: str = "corpus.path", tally: Tally | None = None) -> list[Path]:
    """Return the files that the patterns match, sorted within each pattern, none twice.

    A file that has several names, by links or by hard links, is returned under one: a name without a link, if any.

    Args:
        patterns: Files or glob patterns; `**` matches any number of folders.
        key: Config key of the patterns, for messages.
        tally: Counts the names that are left out because another one leads to the same file.

    Raises:
        ValueError: A pattern matches no file, or a folder or file that it leads to cannot be read.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    if not patterns:
        raise ValueError(f"{key} is empty: name at least one file or pattern")
    found: dict[object, str] = {}
    names: set[str] = set()
    for pattern in patterns:
        files = _Pattern(pattern, key).files()
        matched: dict[object, str] = {}
        for name, identity in sorted(files.items(), key=lambda item: (item[1].linked, item[0])):
            if identity not in found and identity not in matched:
                matched[identity] = name
            elif tally is not None and name not in names:
                tally.count(SECOND_NAME, where=name)
        names.update(files)
        found.update(sorted(matched.items(), key=lambda item: item[1]))
    return [Path(name) for name in found.values()]


@dataclass(frozen=True)
class Identity:
    """What the names of one file share, and whether this one passes through a link.

    Inode numbers alone are not unique on every file system.
    """

    file: str | tuple
    linked: bool = field(compare=False)


class _Pattern:
    """One pattern of a config key."""

    def __init__(self, pattern: str, key: str):
        self.pattern, self.key = pattern, key
        self.full = str(Path(pattern).expanduser())
        self._entered: set[tuple[str, int]] = set()
        self._folder = cache(_folder)

    def files(self) -> dict[str, Identity]:
        """Return the identity of each file that matches, by name."""
        plain = not has_magic(self.full) or os.path.lexists(self.full)
        names = [self.full] if plain else self._matches("", list(Path(self.full).parts))
        kinds = {name: self._stat(name) for name in names}
        files = {name: self._identity(name, status) for name, status in kinds.items() if stat.S_ISREG(status.st_mode)}
        folders = [name for name, status in kinds.items() if stat.S_ISDIR(status.st_mode)]
        if not files:
            if folders:
                state = "is a folder" if plain else "matches only folders"
                raise ValueError(f"{self}{state}: name the files, for example {self.pattern}/**/*.txt")
            state = "is not a regular file" if plain else "matches no file"
            raise ValueError(f"{self}{state} (working directory {Path.cwd()})")
        if closed := [name for name in files if not os.access(name, os.R_OK)]:
            raise self._closed(closed[0], os.strerror(errno.EACCES))
        return files

    def _identity(self, name: str, status: os.stat_result) -> Identity:
        folder, last = os.path.split(name)
        real, linked = self._folder(folder)
        link = os.path.islink(name)
        file = os.path.realpath(name) if link else os.path.join(real, last)
        several = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        return Identity(several if status.st_nlink > 1 else file, linked=link or linked)

    def __str__(self) -> str:
        return f"{self.key} {self.pattern} "

    def _closed(self, name: str, reason: str) -> ValueError:
        return ValueError(
            f"{self.key} {self.pattern}: {name} cannot be read ({reason}): get access to it, or give patterns that do "
            "not lead to it"
        )

    def _stat(self, name: str) -> os.stat_result:
        try:
            return os.stat(name)
        except OSError as error:
            if not os.path.islink(name):
                if error.errno in ABSENT:
                    raise ValueError(f"{self}does not exist (working directory {Path.cwd()})") from None
                raise self._closed(name, error.strerror) from None
            target = os.readlink(name)
            raise self._closed(name, f"a link to {target}: {error.strerror}") from None

    def _matches(self, folder: str, parts: list[str]) -> Iterator[str]:
        """Yield the names below `folder` that match the rest of the pattern, as `glob` does."""
        part, *rest = parts
        if part == "**":
            place = (os.path.realpath(folder or "."), len(parts))
            if place in self._entered:
                return
            self._entered.add(place)
            if rest:
                yield from self._matches(folder, rest)
            for name, is_folder in self._entries(folder):
                if name.startswith("."):
                    continue
                path = os.path.join(folder, name)
                if not rest:
                    yield path
                if is_folder:
                    yield from self._matches(path, parts)
        elif has_magic(part):
            for name, is_folder in self._entries(folder):
                hidden = name.startswith(".") and not part.startswith(".")
                if hidden or not fnmatchcase(name, part):
                    continue
                if not rest:
                    yield os.path.join(folder, name)
                elif is_folder:
                    yield from self._matches(os.path.join(folder, name), rest)
        else:
            path = os.path.join(folder, part)
            if self._exists(path):
                yield from self._matches(path, rest) if rest else [path]

    def _exists(self, path: str) -> bool:
        try:
            os.lstat(path)
        except OSError as error:
            if error.errno in ABSENT:
                return False
            raise self._closed(path, error.strerror) from None
        return True

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """Return the entries of a folder and whether they are folders: links last, so that names without are found."""
        try:
            with os.scandir(folder or ".") as entries:
                found = sorted((entry.is_symlink(), entry.name, _is_folder(entry)) for entry in entries)
        except OSError as error:
            if error.errno in (*ABSENT, errno.ELOOP):
                return []
            raise self._closed(error.filename or folder, error.strerror) from None
        return [(name, is_folder) for _, name, is_folder in found]


def _folder(name: str) -> tuple[str, bool]:
    """Return the real path of a folder, and whether its name passes through a link."""
    real = os.path.realpath(name or ".")
    return real, real != os.path.abspath(name or ".")


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno in (*ABSENT, errno.ELOOP):
            return False
        raise

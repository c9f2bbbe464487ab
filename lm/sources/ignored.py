"""What .gitignore files say is no part of a tree: what was built, fetched or is secret.

pathspec knows the patterns; here is only which file speaks for which folder. Those above the tree, the user's own
and .git/info/exclude are not read, so that a tree means the same on every machine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pathspec

NAME = ".gitignore"


@dataclass(frozen=True)
class Ignored:
    """The patterns that hold in a folder: its own, and those of the folders above it within the tree."""

    folder: Path
    own: pathspec.GitIgnoreSpec
    above: Self | None = None

    @classmethod
    def within(cls, folder: Path, above: Self | None = None) -> Self:
        file = folder / NAME
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        return cls(folder, pathspec.GitIgnoreSpec.from_lines(lines), above)

    def matches(self, path: Path, *, is_folder: bool) -> bool:
        """Whether it is to be ignored: the nearest file that says either has the last word."""
        name = path.relative_to(self.folder).as_posix() + "/" * is_folder
        said = self.own.check_file(name).include
        if said is None:
            return self.above is not None and self.above.matches(path, is_folder=is_folder)
        return said

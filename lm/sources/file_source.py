"""The base class of sources that read files, one after another or in parts."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Self

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_file
from lm.sources.members import find_files

# Clauses that sources count under; `Tally` puts the number in front.
REPLACED = "invalid UTF-8 byte sequences were replaced by �"
WITHOUT_TEXT = "documents without text were skipped"


class FileSource(Source):
    """A source whose documents are those of each of its `files`, in order.

    Args:
        path: A file or glob pattern, or a list of them; `**` matches any number of folders.
    """

    def __init__(self, path: str | list[str]):
        self.files = find_files(path)

    @abstractmethod
    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        """Yield the documents of one file, independent of any other file; count in `tally` what is skipped."""

    def __iter__(self) -> Iterator[Document]:
        tally = Tally()
        for file in self.files:
            yield from self.read(file, tally)
        self.record_tally(tally)

    def skip(self, fault: str, tally: Tally) -> None:
        """Skip a line or row that cannot be read; raise if that is one more than `bad_lines`."""
        tally.add_bad(fault)
        tally.check(self.bad_lines)

    def parts(self, size: int) -> Sequence[Self]:
        parts = []
        for files in group_by_size(self.files, size):
            part = copy(self)
            part.files = files
            parts.append(part)
        return parts

    def content(self) -> list[list[str]]:
        """Names and hashes of the files, for the fingerprint."""
        return [[file.name, hash_file(file)] for file in self.files]


def group_by_size(files: Iterable[Path], size: int) -> list[list[Path]]:
    """Group consecutive files into groups of at least `size` bytes; the last group may be smaller."""
    groups: list[list[Path]] = []
    room = 0
    for file in files:
        if room <= 0:
            groups.append([])
            room = size
        groups[-1].append(file)
        room -= file.stat().st_size
    return groups

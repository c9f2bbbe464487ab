"""Documents that lie in files, whatever the files are: read one after another, or in parts at the same time."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Self

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_file
from lm.sources.members import find_files


class FileSource(Source):
    """A source whose documents are those of each of its `files`, in order."""

    def __init__(self, path: str | list[str]):
        self.files = find_files(path)

    @abstractmethod
    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        """The documents of one file, which depend on no other file; counts in `tally` what it leaves out."""

    def __iter__(self) -> Iterator[Document]:
        tally = Tally()
        for file in self.files:
            yield from self.read(file, tally)
        self.tell(tally)

    def skip(self, fault: str, tally: Tally) -> None:
        """Leave out a line or row that cannot be read, unless it is one too many."""
        tally.add_bad(fault)
        tally.check(self.bad_lines)

    def parts(self, size: int) -> Sequence[Self]:
        parts = []
        for files in grouped(self.files, size):
            part = copy(self)
            part.files = files
            parts.append(part)
        return parts

    def content(self) -> list[list[str]]:
        """Names and hashes of the files."""
        return [[file.name, hash_file(file)] for file in self.files]


def grouped(files: Iterable[Path], size: int) -> list[list[Path]]:
    """Consecutive files together until they have `size` bytes; the last group may have fewer."""
    groups: list[list[Path]] = []
    room = 0
    for file in files:
        if room <= 0:
            groups.append([])
            room = size
        groups[-1].append(file)
        room -= file.stat().st_size
    return groups

"""The base class of sources that read files, one after another or in parts."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from io import BufferedIOBase
from pathlib import Path
from typing import Self

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_file
from lm.sources.byte_streams import Readable
from lm.sources.encoding import Encoding
from lm.sources.file_formats import MetadataError, NotTextError
from lm.sources.file_patterns import find_files
from lm.sources.members import open_members

# Clauses that sources count under; `Tally` puts the number in front.
REPLACED = "invalid UTF-8 byte sequences were replaced by �"
WITHOUT_TEXT = "documents without text were skipped"
EMPTY = "files had no records"
BINARY = "binary files were skipped"
MACOS = "files with macOS metadata were skipped"


class FileSource(Source):
    """A source whose documents are those of each of its `files`, in order.

    Args:
        path: A file or glob pattern, or a list of them; `**` matches any number of folders.
        encoding: A codec of Python, or `detect` to guess each file's own.
        bad_files: Maximum number of files and archive members to skip because they are not text.
    """

    def __init__(self, path: str | list[str], *, encoding: str = "utf-8", bad_files: int = 10):
        self.found = Tally()
        self.files = find_files(path, tally=self.found)
        self.encoding, self.bad_files = Encoding(encoding), bad_files

    @abstractmethod
    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        """Yield the documents of one file, independent of any other file; count in `tally` what is skipped."""

    def __iter__(self) -> Iterator[Document]:
        tally = Tally()
        tally.merge(self.found)
        for file in self.files:
            yield from self.read(file, tally)
        self.record_tally(tally)

    def texts(self, file: Path, tally: Tally, *, keep_line_ends: bool = False) -> Iterator[tuple[str, BufferedIOBase]]:
        """Yield the name of a file, or of each member of an archive, and its text in UTF-8 without byte order mark.

        What is not text is counted; raise if that is one more than `bad_files`.
        """
        for name, packed in open_members(file, tally=tally):
            if (stream := self.text(packed, file.parent / name, tally, keep_line_ends=keep_line_ends)) is not None:
                yield name, stream

    def text(
        self, packed: Readable, place: Path, tally: Tally, *, keep_line_ends: bool = False
    ) -> BufferedIOBase | None:
        """Return a member's text in UTF-8; count a member that is not text and return None."""
        try:
            return self.encoding.utf8(packed, name=str(place), tally=tally, keep_line_ends=keep_line_ends)
        except NotTextError as fault:
            self.skip_file(fault, tally)
            return None

    def skip_file(self, fault: NotTextError, tally: Tally) -> None:
        """Count a file that is not text; raise if that is one more than `bad_files`."""
        if isinstance(fault, MetadataError):
            tally.count(MACOS, where=str(fault))
            return
        tally.count(BINARY, where=str(fault))
        self.check_files(tally, str(fault))

    def check_files(self, tally: Tally, fault: str) -> None:
        """Raise ValueError if more than `bad_files` files are not text."""
        bad = tally.counts.get(BINARY, 0)
        if bad > self.bad_files:
            before = f" (skipped before it: {bad - 1})" if bad > 1 else ""
            raise ValueError(
                f"{fault}{before}: remove it from the path, or allow more with corpus.bad_files={max(10, 10 * bad)}"
            )

    def record_tally(self, tally: Tally) -> None:
        self.check_files(tally, tally.first.get(BINARY, ""))
        super().record_tally(tally)

    def skip(self, fault: str, tally: Tally) -> None:
        """Skip a line or row that cannot be read; raise if that is one more than `bad_lines`."""
        tally.add_bad(fault)
        tally.check(self.bad_lines)

    def parts(self, size: int) -> Sequence[Self]:
        parts = []
        for files in group_by_size(self.files, size):
            part = copy(self)
            part.files = files
            part.found = Tally() if parts else self.found
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

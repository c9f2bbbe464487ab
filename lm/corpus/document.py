"""A document, and the interface of the sources that documents come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lm.corpus.tally import Tally


@dataclass(frozen=True)
class Document:
    """A self-contained text: tokens of another document are never its context.

    Args:
        text: The text.
        id: Name of the document, for messages and reports.
        kind: Category, such as code or prose; bits per byte are reported per kind.
        group: Documents that share text share a group and are held out together; "": the document is its own group.
        source: File or dataset that it comes from.
        language: Language code, such as en; "" if unknown.
        tags: Labels that filters have added instead of dropping the document.
        metadata: Further fields of its source, as plain data; filters may read them.
    """

    text: str
    id: str
    kind: str = "prose"
    group: str = ""
    source: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """The string whose hash decides whether the document is held out: the group, or else the text."""
        return self.group or self.text


@dataclass(frozen=True)
class Dropped:
    """Why a filter drops a document.

    Args:
        reason: One of a few fixed phrases, by which dropped documents are counted.
        detail: What the filter found in this document.
    """

    reason: str
    detail: str = ""


class Source(ABC):
    """Documents in a fixed order, read again at each iteration.

    Attributes:
        tally: Counts of documents that the last complete reading changed, skipped or could not read.
        notes: The same as sentences.
        bad_lines: Maximum number of lines or rows that may be skipped as unreadable.
    """

    tally = Tally()
    notes: tuple[str, ...] = ()
    bad_lines = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Document]:
        """Yield each document, in order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash everything that determines the documents, without making them."""

    def prepare(self) -> None:
        """Do the work, possibly long, that must precede the first reading."""
        return

    def parts(self, size: int) -> Sequence["Source"]:
        """Split into sources of about `size` bytes or more each, for several processes.

        Their documents in order are those of this source, and their tallies merged are its tally. A source that
        cannot be split returns itself.
        """
        return [self]

    def record_tally(self, tally: Tally) -> None:
        """Keep the tally of a complete reading, or the merged tallies of all parts; raise if too much was bad."""
        tally.check(self.bad_lines)
        self.tally, self.notes = tally, tally.notes()

"""A text with what is known about it, and where such texts come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lm.corpus.tally import Tally


@dataclass(frozen=True)
class Document:
    """A text that stands for itself: tokens of another document are never its context.

    `kind` is what is measured apart, as code and prose. Documents that share text share a `group`, and are
    held out together; "" is a group of its own. `language` is a code such as `en`, "" where nobody has said.
    `tags` are what filters have marked it with rather than drop it; `metadata` is what else its source says of it, in
    plain data, and has no part in anything.
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
        """What it is held out by."""
        return self.group or self.text


@dataclass(frozen=True)
class Dropped:
    """Why a filter leaves a document out.

    `reason` is one of few, by which such documents are counted; `detail` says what was found in this one.
    """

    reason: str
    detail: str = ""


class Source(ABC):
    """Documents in an order that never changes, read anew at each iteration.

    `tally` counts what the last full reading had to change or leave out, and `notes` says it in words.
    """

    tally = Tally()
    notes: tuple[str, ...] = ()
    bad_lines = 0  # lines or rows that cannot be read and may be skipped

    @abstractmethod
    def __iter__(self) -> Iterator[Document]:
        """Each document, in order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of everything the documents are made from, without making them."""

    def prepare(self) -> None:
        """Do what has to be done once before the first reading, which may take long."""
        return

    def parts(self, size: int) -> Sequence["Source"]:
        """Sources of a share each, of about `size` bytes or more, for several processes.

        Their documents one after another are those of this source, and their tallies added are its own. A source that
        cannot be read in parts is the only one.
        """
        return [self]

    def tell(self, tally: Tally) -> None:
        """Take the tally of a full reading, or the sum of those of all parts; raise where too much was bad."""
        tally.check(self.bad_lines)
        self.tally, self.notes = tally, tally.notes()

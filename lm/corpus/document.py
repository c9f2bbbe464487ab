"""A text with what is known about it, and where such texts come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A text that stands for itself: tokens of another document are never its context.

    `kind` is what is measured apart, as code and prose. Documents that share text share a `group`, and are
    held out together; "" is a group of its own. `language` is a code such as `en`, "" where nobody has said.
    `tags` are what filters have marked it with rather than drop it.
    """

    text: str
    id: str
    kind: str = "prose"
    group: str = ""
    source: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()

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

    `notes` says in words what the last full reading had to change or leave out.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[Document]:
        """Each document, in order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of everything the documents are made from, without making them."""

    def prepare(self) -> None:
        """Do what has to be done once before the first reading, which may take long."""
        return


def counted(*notes: tuple[int, str]) -> tuple[str, ...]:
    """What a reading has to say, of each count that is not 0."""
    return tuple(f"{count} {what}" for count, what in notes if count)

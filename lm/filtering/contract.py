"""The contract between filters and the engine: what a stage, a phase or a trace asks of a filter."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from lm.corpus import Document, Dropped, Source

FilterLike = Callable[[Document], Document | Dropped]


class Filter(ABC):
    """One step of a funnel: it passes a document on as it is, returns a changed copy, or drops it.

    For most filters any class with `__call__` is enough; `as_filter` adds the hooks, which do nothing by default.
    Subclass `Filter` to override a hook, and `Deduplicator` to compare documents with each other.
    """

    compares: bool = False  # whether documents are compared over the whole corpus, by keys
    reports: bool = False  # whether `report` yields records to write
    earlier: Source | None = None  # another corpus to compare documents with

    @abstractmethod
    def __call__(self, document: Document) -> Document | Dropped:
        """Return the document, a changed copy of it, or why it is dropped."""

    def look_ahead(self, documents: Sequence[Document]) -> None:
        """Prepare for a batch: each of its documents is judged before the next batch is looked at."""
        return

    def report(self, document: Document) -> Iterator[dict[str, str | int]]:
        """Yield a plain record for each match in a document that the filter dropped or changed."""
        yield from ()

    def describe(self) -> str:
        """Return a line to print with the result table; "" for none."""
        return ""

    @property
    def part(self) -> FilterLike:
        """The object whose class, parameters and code the fingerprint covers."""
        return self


class Deduplicator(Filter):
    """Keep one document of each connected component; an edge joins two documents that have a key in common.

    The documents compared are those that reach this step, whatever a later step does to them. A component that contains
    a document of `earlier` is dropped whole.
    """

    compares = True
    reason: str

    @abstractmethod
    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        """Return the keys of each document.

        Every document has the same number of keys, each of 8 bytes or a multiple, or none if it has no duplicates. The
        n-th key of a document is compared with the n-th key of the others.
        """

    @abstractmethod
    def priority(self, document: Document) -> float:
        """Return the priority by which the document to keep is chosen: the highest, the first one among equals."""

    def __call__(self, document: Document) -> Document | Dropped:
        """Return the document: alone, it has no duplicate."""
        return document


class CallableFilter(Filter):
    """A plain callable as a filter.

    Args:
        function: Maps a document to a document or to `Dropped`.
    """

    def __init__(self, function: FilterLike):
        self.function = function

    def __call__(self, document: Document) -> Document | Dropped:
        return self.function(document)

    @property
    def part(self) -> FilterLike:
        return self.function


def as_filter(function: FilterLike) -> Filter:
    """Return a `Filter` as it is, and wrap any other callable."""
    return function if isinstance(function, Filter) else CallableFilter(function)

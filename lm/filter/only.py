"""A filter for some kinds of documents, as rules for prose are none for code."""

from collections.abc import Callable

from lm.corpus import Document, Dropped
from lm.filtering import Deduplicator


class Only:
    """Documents of one of `kinds` go through `filter`, the others pass."""

    def __init__(self, filter: Callable[[Document], Document | Dropped], *, kinds: list[str]):
        if isinstance(filter, Deduplicator):
            raise ValueError("filter=only: what goes by the documents before cannot be for some kinds only")
        if isinstance(kinds, str) or not kinds:
            raise ValueError(f"kinds={kinds!r}: give a list of kinds, as [prose,web]")
        self.filter, self.kinds = filter, list(kinds)

    def __call__(self, document: Document) -> Document | Dropped:
        return self.filter(document) if document.kind in self.kinds else document

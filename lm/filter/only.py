"""Apply another filter to some kinds of documents only."""

from lm.corpus import Document, Dropped
from lm.filtering import FilterLike, as_filter


class Only:
    """Apply a filter to documents of some kinds, since rules for prose do not suit code; others pass.

    Args:
        filter: Any filter that judges documents one by one; not `duplicates` or `near_duplicates`.
        kinds: Values of `document.kind`, such as [prose, web].
    """

    def __init__(self, filter: FilterLike, *, kinds: list[str]):
        if as_filter(filter).compares:
            raise ValueError(
                "filter=only cannot apply a filter that compares documents with each other: use it without only"
            )
        if isinstance(kinds, str) or not kinds:
            raise ValueError(f"filter.kinds {kinds!r} must be a list of kinds: give for example [prose,web]")
        self.filter, self.kinds = filter, list(kinds)

    def __call__(self, document: Document) -> Document | Dropped:
        return self.filter(document) if document.kind in self.kinds else document

"""Some documents of another source: of some kinds, or those that a corpus holds out."""

from collections.abc import Iterator, Sequence

from lm.corpus import Document, Source, Split
from lm.files import hash_json


class Selected(Source):
    """The documents of another source that are of some kinds, or held out, or both.

    Args:
        documents: The other source.
        kinds: Kinds to keep, as [prose]; null keeps all.
        held_out: The split of a corpus of that source, to keep what it holds out, for evaluations that read texts. What
            `lm corpus` holds out beyond the share, where a kind would have no held-out document, is not kept. null
            keeps all.

    Raises:
        ValueError: When read, if no document is selected.
    """

    def __init__(self, documents: Source, *, kinds: Sequence[str] | None = None, held_out: Split | None = None):
        self.documents, self.kinds, self.held_out = documents, kinds, held_out

    def prepare(self) -> None:
        self.documents.prepare()

    def fingerprint(self) -> str:
        share = None if self.held_out is None else self.held_out.share
        return hash_json(["selected", self.documents.fingerprint(), self.kinds and [*self.kinds], share])

    def __iter__(self) -> Iterator[Document]:
        seen, count = set(), 0
        for document in self.documents:
            seen.add(document.kind)
            if self._keeps(document):
                count += 1
                yield document
        self.tally, self.notes = self.documents.tally, self.documents.notes
        if not count:
            raise ValueError(
                f"corpus.kinds={self.kinds and [*self.kinds]} selects no document: the source has the kinds "
                f"{', '.join(sorted(seen)) or 'none'}"
            )

    def _keeps(self, document: Document) -> bool:
        of_kind = self.kinds is None or document.kind in self.kinds
        return of_kind and (self.held_out is None or self.held_out.held_out(document))

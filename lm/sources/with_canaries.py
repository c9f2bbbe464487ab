"""The documents of a source with canaries between them."""

from collections.abc import Iterator

from lm.bounds import Count
from lm.corpus import Canaries, Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_json


class WithCanaries(Source):
    """Insert canaries, one document a copy, between the documents of a source.

    Around a funnel, canaries come after its filters, which would drop copies. They are always in training, never held
    out. `lm evaluate evaluation=exposure` measures what a model that was trained on the corpus remembers of them.

    Args:
        documents: The source.
        canaries: The canaries.
        every: Documents of the source between two canaries; those that are left stand at the end.
        kind: Kind of the canaries. It should be one of the source's own: a kind without other documents has one of the
            canaries held out.
    """

    def __init__(self, documents: Source, *, canaries: Canaries, every: Count = 1, kind: str = "prose"):
        self.documents, self.canaries, self.every, self.kind = documents, canaries, every, kind

    def __iter__(self) -> Iterator[Document]:
        left = iter(self.canaries.documents(kind=self.kind))
        for number, document in enumerate(self.documents, start=1):
            yield document
            if number % self.every == 0:
                for canary in left:
                    yield canary
                    break
        yield from left

    def fingerprint(self) -> str:
        return hash_json(["canaries", self.documents.fingerprint(), self.canaries.identity(), self.every, self.kind])

    def prepare(self) -> None:
        self.documents.prepare()

    def record_tally(self, tally: Tally) -> None:
        self.documents.record_tally(tally)

    @property
    def tally(self) -> Tally:
        """That of the source."""
        return self.documents.tally

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the source, and the number of canaries."""
        copies = sum(canary.copies for canary in self.canaries.all())
        return (*self.documents.notes, f"{copies} copies of canaries were inserted")

"""The documents of another source, cut into short ones in mixed order, to see what long documents teach."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b

from lm.bounds import Count
from lm.corpus import Document, Source
from lm.files import hash_json


class Pieces(Source):
    """The text of another source as short documents: the same characters, cut and shuffled.

    Pieces of a document share its group, so exactly the documents are held out that the other source holds out. All
    text is kept in memory.

    Args:
        documents: The other source.
        size: Characters of a piece; the last one of a document may be shorter.
        seed: Seed of the order.
    """

    def __init__(self, documents: Source, *, size: Count = 256, seed: int = 0):
        self.documents, self.size, self.seed = documents, size, seed

    def prepare(self) -> None:
        self.documents.prepare()

    def fingerprint(self) -> str:
        return hash_json(["pieces", self.documents.fingerprint(), self.size, self.seed])

    def __iter__(self) -> Iterator[Document]:
        pieces = [piece for document in self.documents for piece in self._cut(document)]
        self.tally, self.notes = self.documents.tally, self.documents.notes
        pieces.sort(key=lambda piece: blake2b(f"{self.seed} {piece.id}".encode(), digest_size=8).digest())
        yield from pieces

    def _cut(self, document: Document) -> Iterator[Document]:
        for start in range(0, len(document.text), self.size):
            text = document.text[start : start + self.size]
            yield replace(document, text=text, id=f"{document.id} at {start}", group=document.key)

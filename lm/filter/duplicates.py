"""Documents that say the same as one before, to the letter or but for case, marks and white space."""

from collections.abc import Sequence
from hashlib import blake2b

from lm.corpus import Document, Source
from lm.filter.text.plain_words import plain_texts
from lm.filtering import Deduplicator


class Duplicates(Deduplicator):
    """Keep the first of equal documents, and none that is equal to one of `earlier`, another corpus. Unless `exactly`,
    what is no letter or digit, and case, make no difference; a document without any is then known by its whole text.

    By hashes of 128 bits: two different texts in a billion documents meet with a chance of 1e-21.
    """

    reason = "duplicate"

    def __init__(self, *, exactly: bool = False, earlier: Source | None = None):
        self.exactly, self.earlier = exactly, earlier

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        texts = [document.text for document in documents]
        said = [b""] * len(texts) if self.exactly else plain_texts(texts)
        known_by = [words or text.encode("utf-8", "surrogatepass") for words, text in zip(said, texts, strict=True)]
        return [[blake2b(each, digest_size=16).digest()] for each in known_by]

    @property
    def told(self) -> str:
        return ""

    def worth(self, document: Document) -> float:
        return 0.0

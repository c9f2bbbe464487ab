"""Drop exact duplicates, by default ignoring case, punctuation and white space."""

from collections.abc import Sequence
from hashlib import blake2b

from lm.corpus import Document, Source
from lm.filter.text.normalized import normalized_texts
from lm.filtering import Deduplicator


class Duplicates(Deduplicator):
    """Keep the first of equal documents.

    Documents are compared by 128-bit hashes: any two of a billion different texts collide with a probability of 1e-21.
    A document without letters and digits is compared by its whole text.

    Args:
        exact: Compare texts character by character; false to ignore case and all but letters and digits.
        earlier: Another corpus, whose documents are never repeated: a document equal to one of them is dropped.
    """

    reason = "duplicate"

    def __init__(self, *, exact: bool = False, earlier: Source | None = None):
        self.exact, self.earlier = exact, earlier

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        texts = [document.text for document in documents]
        normalized = [b""] * len(texts) if self.exact else normalized_texts(texts)
        contents = [
            words or text.encode("utf-8", "surrogatepass") for words, text in zip(normalized, texts, strict=True)
        ]
        return [[blake2b(content, digest_size=16).digest()] for content in contents]

    def priority(self, document: Document) -> float:
        return 0.0

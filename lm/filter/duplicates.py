"""Documents that say the same as one before, to the letter or but for case, marks and white space."""

from hashlib import blake2b

from lm.corpus import Document, Source, Unique
from lm.filter.plain_words import plain_words


class Duplicates(Unique):
    """Keep the first of equal documents, and none that is equal to one of `earlier`, another corpus. Unless `exactly`,
    what is no letter or digit, and case, make no difference; a document without any is then known by its whole text.

    By hashes of 128 bits: two different texts in a billion documents meet with a chance of 1e-21.
    """

    reason = "duplicate"

    def __init__(self, *, exactly: bool = False, earlier: Source | None = None):
        self.exactly, self.earlier = exactly, earlier

    def keys(self, document: Document) -> list[bytes]:
        said = b"" if self.exactly else b" ".join(plain_words(document.text))
        return [blake2b(said or document.text.encode("utf-8", "surrogatepass"), digest_size=16).digest()]

    @property
    def told(self) -> str:
        return ""

    def worth(self, document: Document) -> float:
        return 0.0

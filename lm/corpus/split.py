"""Which documents are held out, by what they say and never by where they stand."""

from collections.abc import Iterable
from hashlib import blake2b

from lm.corpus.document import Document


def rank(document: Document, *, salt: str = "held out") -> float:
    """A number in [0, 1) that the document's group, or else its text, gives it; others by another `salt`."""
    key = (document.group or document.text).encode("utf-8", "surrogatepass")
    digest = blake2b(key, digest_size=8, person=salt.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


class Split:
    """Hold out the documents of lowest rank: about `share` of them, whatever else the corpus holds or gains.

    The share is of documents, so of a few hundred documents of unequal length, the share of bytes varies
    widely. `floor` are ranks held out besides, for kinds that would have none; see `survey`.
    """

    def __init__(self, share: float = 0.05, *, floor: Iterable[float] = ()):
        if not 0 <= share < 1:
            raise ValueError(f"split.share {share} is not a share of the documents: give at least 0 and less than 1")
        self.share = share
        self.floor = frozenset(floor)

    def held_out(self, document: Document) -> bool:
        """Whether the document is for validation only."""
        place = rank(document)
        return place < self.share or place in self.floor

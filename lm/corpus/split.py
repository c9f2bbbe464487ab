"""Decide which documents are held out, by a hash of their content."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Protocol


class Keyed(Protocol):
    """A document, a conversation: anything with a `key`, its own or that of the group it must stay with."""

    @property
    def key(self) -> str: ...


def hash_fraction(item: Keyed, *, salt: str = "held out") -> float:
    """Hash the item's key to a number in [0, 1); another `salt` gives an independent number."""
    digest = blake2b(item.key.encode("utf-8", "surrogatepass"), digest_size=8, person=salt.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


class Split:
    """Hold out the documents whose key hashes below `share`, independent of order and of other documents.

    A document stays on its side when the corpus grows, and documents with one text or one group are never separated.

    Args:
        share: Expected share of the documents to hold out, at least 0 and below 1. Of a few hundred documents of
            unequal length, the share of bytes varies widely. 0.05 leaves the 5 % that bits per byte are measured on.
        floor: Further hash fractions to hold out, for kinds that would have no held-out document; `survey` finds them.
    """

    def __init__(self, share: float = 0.05, *, floor: Iterable[float] = ()):
        if not 0 <= share < 1:
            raise ValueError(f"split.share {share} is not a share of the documents: give at least 0 and less than 1")
        self.share = share
        self.floor = frozenset(floor)

    def in_training(self, item: Keyed, *, sample: float = 1.0) -> bool:
        """Return True if the item is not held out and its key is among the share `sample` of the keys."""
        return not self.held_out(item) and hash_fraction(item, salt="sample") < sample

    def held_out(self, item: Keyed) -> bool:
        """Return True if the item is for validation only."""
        fraction = hash_fraction(item)
        return fraction < self.share or fraction in self.floor

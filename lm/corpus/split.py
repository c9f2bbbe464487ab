"""What is held out, by what it says and never by where it stands."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Protocol


class Keyed(Protocol):
    """A document, a conversation: whatever has a `key` that is its own, or shared by what must stay together."""

    @property
    def key(self) -> str: ...


def rank(item: Keyed, *, salt: str = "held out") -> float:
    """A number in [0, 1) that the item's key gives it; others by another `salt`."""
    digest = blake2b(item.key.encode("utf-8", "surrogatepass"), digest_size=8, person=salt.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


class Split:
    """Hold out the items of lowest rank: about `share` of them, whatever else there is or will be.

    The share is of items, so of a few hundred documents of unequal length, the share of bytes varies widely. `floor`
    are ranks held out besides, for kinds that would have none; see `survey`.
    """

    def __init__(self, share: float = 0.05, *, floor: Iterable[float] = ()):
        if not 0 <= share < 1:
            raise ValueError(f"split.share {share} is not a share of the documents: give at least 0 and less than 1")
        self.share = share
        self.floor = frozenset(floor)

    def trains(self, item: Keyed, *, sample: float = 1.0) -> bool:
        """Whether it is for training, and among the share `sample` of those; which, the item's key decides."""
        return not self.held_out(item) and rank(item, salt="sample") < sample

    def held_out(self, item: Keyed) -> bool:
        """Whether it is for validation only."""
        place = rank(item)
        return place < self.share or place in self.floor

"""Pseudorandom choices that depend on a name alone, so that generated data is the same in every run."""

from collections.abc import Sequence
from hashlib import blake2b


class Draw:
    """Pseudorandom choices that depend on a name alone, not on the other names.

    Args:
        name: What the choices are made for.
    """

    def __init__(self, name: str):
        self.name = name

    def __call__(self, salt: str, below: int) -> int:
        """Return a number from 0 to below − 1."""
        return int.from_bytes(blake2b(f"{salt} {self.name}".encode(), digest_size=6).digest(), "big") % below

    def choose(self, phrasings: Sequence[str]) -> str:
        return phrasings[self(phrasings[0], len(phrasings))]

    def pick(self, salt: str, items: Sequence):
        """Return one of the items; None if there is none."""
        return items[self(salt, len(items))] if items else None

    def some(self, salt: str, items: Sequence, count: int) -> list:
        """Return up to `count` of the items, each once."""
        return list(dict.fromkeys(self.pick(f"{salt} {n}", items) for n in range(count))) if items else []

    def shuffled(self, salt: str, items: Sequence) -> list:
        return [items[n] for n in sorted(range(len(items)), key=lambda n: self(f"{salt} {n}", 1 << 40))]

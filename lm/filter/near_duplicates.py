"""Documents of which most runs of words stand in one before (MinHash: Broder 1997; bands: Indyk and Motwani 1998)."""

from hashlib import blake2b

import numpy as np

from lm.bounds import Count
from lm.corpus import Document, Unique
from lm.filter.plain_words import plain_words


class NearDuplicates(Unique):
    """Keep the first of documents that share most of their runs of `shingle` words, case aside.

    Of two documents whose sets of runs overlap by the share s (Jaccard), the second is dropped with the chance
    1 - (1 - s^rows)^bands: a step at about (1 / bands)^(1 / rows), which `threshold` says; more rows make it steeper,
    more bands lower it. What is near one that was dropped, and not near any that was kept, is kept.
    """

    reason = "near duplicate"

    def __init__(self, *, bands: Count = 14, rows: Count = 8, shingle: Count = 5, seed: int = 1):
        import rensa  # noqa: F401  an extra: told now rather than by a worker

        self.bands, self.rows, self.shingle, self.seed = bands, rows, shingle, seed

    @property
    def threshold(self) -> float:
        """The overlap at which the chance is about 1 - 1/e."""
        return (1 / self.bands) ** (1 / self.rows)

    def chance(self, overlap: float) -> float:
        """That a document is dropped whose runs overlap so far with those of one before."""
        return 1 - (1 - overlap**self.rows) ** self.bands

    def keys(self, document: Document) -> list[bytes]:
        words = plain_words(document.text)
        if not words:
            return []
        from rensa import RMinHash

        sketch = RMinHash(self.bands * self.rows, self.seed)
        sketch.update(_runs(words, min(self.shingle, len(words))))
        rows = np.array(sketch.digest(), dtype="<u4").reshape(self.bands, self.rows)
        return [blake2b(row.tobytes(), digest_size=8).digest() for row in rows]


def _runs(words: list[bytes], size: int) -> list[bytes]:
    """All runs of so many words, in no order: from each of the first words on the text is cut after every `size` words.
    A few cuts of all of it take half the time of joining each run."""
    joined = b" ".join(words)
    text = np.frombuffer(joined, dtype=np.uint8)
    blanks = np.flatnonzero(text == ord(" "))
    edges = np.concatenate([[0], blanks + 1, [len(text) + 1]])  # where each word begins, and one would begin at the end
    runs = []
    for first in range(min(size, len(words) - size + 1)):
        whole = (len(words) - first) // size * size
        cut = text.copy()
        cut[blanks[first + size - 1 :: size]] = ord("\n")
        runs += cut[edges[first] : edges[first + whole] - 1].tobytes().split(b"\n")
    return runs

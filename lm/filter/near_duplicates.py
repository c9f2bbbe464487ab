"""Documents of which most runs of words stand in another (MinHash: Broder 1997; bands: Indyk and Motwani 1998)."""

from hashlib import blake2b
from typing import Literal

import numpy as np

from lm.bounds import Count
from lm.corpus import Document, Source, Unique
from lm.filter.learned import LearnedQuality
from lm.filter.plain_words import plain_words


class NearDuplicates(Unique):
    """Keep one of the documents that share most of their runs of `shingle` words, case aside.

    Two documents whose sets of runs overlap by the share s (Jaccard) are alike with the chance
    1 - (1 - s^rows)^bands: a step at about (1 / bands)^(1 / rows), which `threshold` says; more rows make it steeper,
    more bands lower it. Documents that are alike by way of others are one cluster too, of which the `first`, the
    `longest` or the `best` by `quality` is kept. What is like a document of `earlier`, another corpus, goes as well.
    """

    reason = "near duplicate"

    def __init__(
        self,
        *,
        bands: Count = 14,
        rows: Count = 8,
        shingle: Count = 5,
        seed: int = 1,
        keep: Literal["first", "longest", "best"] = "first",
        quality: LearnedQuality | None = None,
        earlier: Source | None = None,
    ):
        import rensa  # noqa: F401  an extra: told now rather than by a worker

        if keep not in ("first", "longest", "best"):
            raise ValueError(f"filter.keep {keep!r} is no choice: give first, longest or best")
        if (keep == "best") != (quality is not None):
            raise ValueError(
                f"filter.keep={keep} and filter.quality={'null' if quality is None else 'given'}: quality says which "
                "is best, so give both, as +filter@corpus.filters.NAME.quality=learned with its good and random"
            )
        self.bands, self.rows, self.shingle, self.seed = bands, rows, shingle, seed
        self.keep, self.quality, self.earlier = keep, quality, earlier

    @property
    def threshold(self) -> float:
        """The overlap at which the chance is about 1 - 1/e."""
        return (1 / self.bands) ** (1 / self.rows)

    def chance(self, overlap: float) -> float:
        """That two documents whose runs overlap so far are taken to be alike."""
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

    @property
    def told(self) -> str:
        likely = ", ".join(f"{overlap:.0%}: {self.chance(overlap):.1%}" for overlap in (0.5, 0.6, 0.7, 0.8, 0.9))
        return (
            f"{self.bands} bands × {self.rows} rows of runs of {self.shingle} words; the threshold is an overlap of "
            f"{self.threshold:.0%}, and two documents are alike with the chance, by overlap, {likely}"
        )

    def worth(self, document: Document) -> float:
        if self.quality is not None:
            return self.quality.score(document.text)
        return float(len(document.text)) if self.keep == "longest" else 0.0


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

"""Documents of which most runs of words stand in another (MinHash: Broder 1997; bands: Indyk and Motwani 1998)."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np

from lm.bounds import Count
from lm.corpus import Document, Source
from lm.filter.learned import LearnedQuality
from lm.filter.text.hashes import AFTER, hashed
from lm.filter.text.plain_words import plain_texts
from lm.filter.text.runs import hashed_runs
from lm.filtering import Deduplicator


class NearDuplicates(Deduplicator):
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

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        from rensa import RMinHash

        texts = plain_texts([document.text for document in documents])
        runs, ends = _runs(texts, self.shingle)
        sketch = RMinHash.digest_matrix_from_flat_token_hashes(runs, ends, self.bands * self.rows, self.seed)
        bands = np.array(sketch.to_rows(), dtype="<u4").reshape(len(texts), self.bands, self.rows)
        return [
            [blake2b(band.tobytes(), digest_size=8).digest() for band in rows] if words else []
            for words, rows in zip(texts, bands, strict=True)
        ]

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


def _runs(texts: Sequence[bytes], size: int) -> tuple[np.ndarray, np.ndarray]:
    """A hash of each run of so many words, text after text, and where those of each end, from 0 on. A text of fewer
    words is one run."""
    words = np.array([text.count(b" ") + 1 if text else 0 for text in texts], dtype=np.int64)
    data = b" ".join([*filter(None, texts), AFTER])
    blanks = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord(" "))[: words.sum()]
    starts = np.concatenate([[0], blanks + 1])[:-1]
    hashes = hashed(data, starts, blanks - starts)
    counts = np.where(words < size, words > 0, words - size + 1)
    ends, text_of = np.concatenate([[0], np.cumsum(counts)]), np.repeat(np.arange(len(texts)), words)
    runs = np.zeros(ends[-1], dtype=np.uint64)
    last = max(len(text_of) - size + 1, 0)
    runs[np.repeat(words >= size, counts)] = hashed_runs(hashes, size)[text_of[:last] == text_of[size - 1 :]]
    first = np.cumsum(words) - words
    for short in np.flatnonzero((words > 0) & (words < size)).tolist():
        runs[ends[short]] = hashed_runs(hashes[first[short] :][: words[short]], words[short])[0]
    return runs, ends.astype(np.uint64)

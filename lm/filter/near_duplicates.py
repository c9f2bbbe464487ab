"""Drop near duplicates by MinHash (Broder 1997) with banding (Indyk and Motwani 1998)."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np

from lm.bounds import Count
from lm.corpus import Document, Source
from lm.filter.learned import LearnedQuality
from lm.filter.text.hashes import PADDING, hash_ngrams, hash_spans
from lm.filter.text.normalized import normalized_texts
from lm.filtering import Deduplicator


class NearDuplicates(Deduplicator):
    """Keep one of each cluster of documents that share most of their shingles (word n-grams without case).

    Two documents with Jaccard similarity s of their shingles match with probability 1 - (1 - s^rows)^bands, a step at
    about (1 / bands)^(1 / rows), the `threshold`. More rows make the step steeper, more bands lower it. Matches form
    clusters, the connected components.

    Args:
        bands: Bands of the MinHash signature; with 14 bands of 8 rows half of the pairs with s = 0.69 match.
        rows: Rows per band.
        shingle: Words per shingle.
        seed: Seed of the hash permutations.
        keep: Document of a cluster to keep: first, longest, or best by `quality`.
        quality: Classifier that scores documents for keep=best, else null.
        earlier: Another corpus, whose documents are never repeated: a document that matches one of them is dropped.
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
        import rensa  # noqa: F401  (an extra: fail now, not in a worker)

        if keep not in ("first", "longest", "best"):
            raise ValueError(f"filter.keep {keep!r} is unknown: give first, longest or best")
        if (keep == "best") != (quality is not None):
            raise ValueError(
                f"filter.keep={keep} and filter.quality={'null' if quality is None else 'given'}: give both keep=best "
                "and a quality, or neither: +filter@corpus.filters.NAME.quality=learned with its good and random"
            )
        self.bands, self.rows, self.shingle, self.seed = bands, rows, shingle, seed
        self.keep, self.quality, self.earlier = keep, quality, earlier

    @property
    def threshold(self) -> float:
        """Similarity at which two documents match with a probability of about 1 - 1/e."""
        return (1 / self.bands) ** (1 / self.rows)

    def match_probability(self, similarity: float) -> float:
        """Probability that two documents of this Jaccard similarity match."""
        return 1 - (1 - similarity**self.rows) ** self.bands

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        from rensa import RMinHash

        texts = normalized_texts([document.text for document in documents])
        shingles, ends = _shingles(texts, self.shingle)
        signatures = RMinHash.digest_matrix_from_flat_token_hashes(shingles, ends, self.bands * self.rows, self.seed)
        bands = np.array(signatures.to_rows(), dtype="<u4").reshape(len(texts), self.bands, self.rows)
        return [
            [blake2b(band.tobytes(), digest_size=8).digest() for band in rows] if words else []
            for words, rows in zip(texts, bands, strict=True)
        ]

    def describe(self) -> str:
        curve = ", ".join(f"{s:.0%}: {self.match_probability(s):.1%}" for s in (0.5, 0.6, 0.7, 0.8, 0.9))
        return (
            f"{self.bands} bands × {self.rows} rows of {self.shingle}-word shingles; threshold at a similarity of "
            f"{self.threshold:.0%}; probability of a match by similarity: {curve}"
        )

    def priority(self, document: Document) -> float:
        if self.quality is not None:
            return self.quality.score(document.text)
        return float(len(document.text)) if self.keep == "longest" else 0.0


def _shingles(texts: Sequence[bytes], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash the shingles of `size` words of all texts; return the hashes and the end of each text's, from 0, [N + 1].

    A text of fewer words is one shingle.
    """
    words = np.array([text.count(b" ") + 1 if text else 0 for text in texts], dtype=np.int64)
    data = b" ".join([*filter(None, texts), PADDING])
    blanks = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord(" "))[: words.sum()]
    starts = np.concatenate([[0], blanks + 1])[:-1]
    hashes = hash_spans(data, starts, blanks - starts)
    counts = np.where(words < size, words > 0, words - size + 1)
    ends, text_of = np.concatenate([[0], np.cumsum(counts)]), np.repeat(np.arange(len(texts)), words)
    shingles = np.zeros(ends[-1], dtype=np.uint64)
    last = max(len(text_of) - size + 1, 0)
    shingles[np.repeat(words >= size, counts)] = hash_ngrams(hashes, size)[text_of[:last] == text_of[size - 1 :]]
    first = np.cumsum(words) - words
    for short in np.flatnonzero((words > 0) & (words < size)).tolist():
        shingles[ends[short]] = hash_ngrams(hashes[first[short] :][: words[short]], words[short])[0]
    return shingles, ends.astype(np.uint64)

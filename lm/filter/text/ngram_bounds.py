"""Upper bounds on the characters of repeated n-grams, in a sixth of the time: most texts need no exact count.

A bound is never too low: equal n-grams have equal hashes, and a hash collision only raises it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter

import numpy as np

from lm.filter.text.hashes import hash_ngrams
from lm.filter.text.recent_cache import RecentCache
from lm.filter.text.repeated_ngrams import possible_duplicates
from lm.filter.text.words import Words, find_words, words

N = 4  # words of the n-grams that are counted; wherever a longer one repeats, its 4-grams do


@dataclass
class NGramBounds:
    """What bounds the results of `RepeatedNGrams` for the same words.

    Args:
        word_count: Occurrences of the most frequent word.
        word_characters: The most characters that the occurrences of one word have together.
        repeats: 4-grams that occurred before.
        ngram_count: Occurrences of the most frequent 4-gram.
        longest: Characters of the longest 4-gram.
        hashes: A hash of each 4-gram, uint64 [W - 3].
        ends: Cumulative lengths of the words from 0, [W + 1].
    """

    word_count: int
    word_characters: int
    repeats: int
    ngram_count: int
    longest: int
    hashes: np.ndarray
    ends: np.ndarray

    def top_characters(self, length: int) -> int:
        """Bound `RepeatedNGrams.top_characters`: an n-gram occurs no more often than its words and its 4-grams do."""
        by_words = length * self.word_characters + (length - 1) * self.word_count
        if length < N:
            return by_words
        return min(by_words, self.ngram_count * (-(-length // N) * self.longest + length - 1))

    def duplicate_characters(self, length: int, *, enough: float) -> float:
        """Bound `RepeatedNGrams.duplicate_characters`: each 4-gram of a repeated n-gram repeats, and none overlap.

        The bound is quick where it is at most `enough`; else it counts the stretches of repeated 4-grams that are long
        enough for an n-gram.
        """
        if length < N:
            return np.inf
        bound = self.repeats * self.longest
        if bound <= enough:
            return bound
        sizes, characters = self._stretches
        return int(characters[sizes >= length - N + 1].sum())

    @cached_property
    def _stretches(self) -> tuple[np.ndarray, np.ndarray]:
        """For each stretch of consecutive repeated 4-grams: their number, and the characters of all their words."""
        order = np.argsort(self.hashes, kind="stable")
        ordered = self.hashes[order]
        again = np.zeros(len(ordered) + 2, dtype=np.int8)
        again[1 + order[1:][ordered[1:] == ordered[:-1]]] = 1
        edges = np.diff(again)
        starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        return ends - starts, self.ends[ends - 1 + N] - self.ends[starts]


def bounds_of(texts: Sequence[Words]) -> list[NGramBounds]:
    """Compute the bounds of many texts together, in less than half the time: most texts are short for NumPy."""
    return [bounds for _, group in groupby(texts, key=attrgetter("vocabulary")) for bounds in _bounds_of([*group])]


@RecentCache
def ngram_bounds(text: str) -> NGramBounds:
    """Compute the bounds of a text."""
    return bounds_of([words(text)])[0]


def find_bounds(texts: Sequence[str]) -> None:
    """Compute and cache the bounds of many texts together."""
    find_words(texts)
    new = [text for text in texts if text not in ngram_bounds]
    for text, bounds in zip(new, bounds_of([words(text) for text in new]), strict=True):
        ngram_bounds.put(text, bounds)


def _bounds_of(texts: Sequence[Words]) -> list[NGramBounds]:
    """Compute the bounds of texts that share one vocabulary."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    ngrams, first = np.maximum(sizes - N + 1, 0), np.cumsum(sizes) - sizes
    text_of, ids = np.repeat(np.arange(len(texts)), sizes), np.concatenate([text.ids for text in texts])
    lengths = np.frombuffer(texts[0].vocabulary.lengths, dtype=np.int32)[ids]
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])

    places = np.concatenate([text.last_places for text in texts]) + np.repeat(first, sizes)
    counts = np.bincount(places, minlength=len(ids))
    word_count, word_characters = _segment_max(counts, sizes), _segment_max(counts * lengths, sizes)

    within = text_of[: 1 - N] == text_of[N - 1 :]  # where a 4-gram lies in one text
    longest = _segment_max((ends[N:] - ends[:-N])[within], ngrams)
    hashes, bits = hash_ngrams(ids, N), np.uint64(64 - max(1, len(texts).bit_length()))
    text_of = text_of[: 1 - N][within].astype(np.uint64)
    keys = hashes[within] & ((np.uint64(1) << bits) - np.uint64(1)) | text_of << bits
    distinct, counts = np.unique(keys[possible_duplicates(keys)], return_counts=True)
    owners = (distinct >> bits).view(np.int64)
    ngram_count = np.maximum(_segment_max(counts, np.bincount(owners, minlength=len(texts))), 1)
    repeats = np.bincount(owners, weights=counts - 1, minlength=len(texts)).astype(np.int64)

    columns = (word_count, word_characters, repeats, ngram_count, longest, first, sizes, ngrams)
    numbers = (column.tolist() for column in columns)
    return [
        NGramBounds(*bounds, hashes[first : first + count], ends[first : first + size + 1])
        for *bounds, first, size, count in zip(*numbers, strict=True)
    ]


def _segment_max(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the maximum of the first `counts[0]` values, of the next `counts[1]`, and so on; 0 if empty."""
    maxima, filled = np.zeros(len(counts), dtype=np.int64), np.flatnonzero(counts)
    if len(filled):
        maxima[filled] = np.maximum.reduceat(values, (np.cumsum(counts) - counts)[filled])
    return maxima

"""Repetition within a text: duplicate lines or paragraphs, and n-grams that occur more than once.

An n-gram repeats only if both (n-1)-grams in it do, so each length searches only the places that the previous one left:
few in most texts. Legend: a place is the index of an n-gram's first word.
"""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from lm.filter.text.words import Words

MIX = 0x9E3779B97F4A7C15


def count_duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """Return how many parts are copies of earlier ones, and the characters of those copies."""
    distinct = set(parts)
    return len(parts) - len(distinct), sum(map(len, parts)) - sum(map(len, distinct))


class RepeatedNGrams:
    """The repeated n-grams of `length` words: `places` in order, and `names`, equal for equal n-grams."""

    def __init__(self, length: int, words: int, ends: np.ndarray, places: np.ndarray, names: np.ndarray):
        self.length, self.words, self.ends, self.places, self.names = length, words, ends, places, names

    def top_characters(self) -> int:
        """Return the characters of the most frequent n-gram, joined by blanks, times its count; the first among equals.

        Without a repeated n-gram it is the first n-gram. Occurrences may overlap, so in `a a a` the result exceeds the
        size of the text: the published rule counts so.
        """
        if self.words < self.length:
            return 0
        often, place = 1, 0
        if len(self.places):
            counts = np.bincount(self.names)
            often = int(counts.max())
            place = int(self.places[np.argmax(counts[self.names] == often)])
        return (int(self._sizes(place)) + self.length - 1) * often

    def duplicate_characters(self, *, limit: float) -> int:
        """Return the characters of n-grams that occurred before, from left to right, without overlap.

        Return 0 if they cannot exceed `limit`.
        """
        if not len(self.places):
            return 0
        sizes = self._sizes(self.places)
        if sizes.sum() <= limit:
            return 0
        total, free, seen = 0, 0, set()
        for place, name, size in zip(self.places.tolist(), self.names.tolist(), sizes.tolist(), strict=True):
            if place < free:
                continue
            if name in seen:
                total += size
                free = place + self.length
            else:
                seen.add(name)
        return total

    def _sizes(self, places: np.ndarray | int) -> np.ndarray:
        return self.ends[places + self.length] - self.ends[places]


def repeated_ngrams(words: Words) -> Iterator[RepeatedNGrams]:
    """Yield the repeated n-grams of one word, of two, of three, and so on without end."""
    ends = np.zeros(len(words) + 1, dtype=np.int64)
    np.cumsum(words.lengths, out=ends[1:])
    ids = words.last_places.astype(np.int64)
    places = np.flatnonzero(np.bincount(ids)[ids] > 1)
    names = ids[places]
    for length in count(1):
        yield RepeatedNGrams(length, len(words), ends, places, names)
        if len(places):
            both = np.flatnonzero(places[1:] == places[:-1] + 1)
            places, names = _equal(places[both], names[both] * len(words) + ids[places[both] + length])


def _equal(places: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places whose key occurs more than once, and numbers from 0 for their keys."""
    candidates = possible_duplicates(keys)
    places, keys = places[candidates], keys[candidates]
    if not len(keys):
        return places, keys
    order = np.argsort(keys)
    ordered = keys[order]
    changes = np.empty(len(keys), dtype=bool)
    changes[0] = False
    np.not_equal(ordered[1:], ordered[:-1], out=changes[1:])
    names = np.empty(len(keys), dtype=np.int64)
    names[order] = np.cumsum(changes)
    again = np.bincount(names)[names] > 1
    return places[again], names[again]


def possible_duplicates(keys: np.ndarray) -> np.ndarray:
    """Return the indices of keys that may occur twice, by hash, so that fewer keys need to be sorted."""
    bits = max(4, (4 * len(keys)).bit_length())
    slots = (keys.view(np.uint64) * np.uint64(MIX)) >> np.uint64(64 - bits)
    slots = slots.view(np.int64)
    return np.flatnonzero(np.bincount(slots)[slots] > 1)

"""Runs of words that occur more than once, length after length, without looking again at those that cannot.

A run of n words occurs twice only if both runs of n - 1 words in it do, so each length asks only about the places that
the one before it left: few in most texts. Legend: a place is the number of a run's first word.
"""

from collections.abc import Iterator
from itertools import count

import numpy as np

from lm.filter.text.words import Words

MIX = 0x9E3779B97F4A7C15


class Phrases:
    """The repeated runs of `length` words: `places` where they begin, in order, and `names`, equal for equal runs."""

    def __init__(self, length: int, words: int, ends: np.ndarray, places: np.ndarray, names: np.ndarray):
        self.length, self.words, self.ends, self.places, self.names = length, words, ends, places, names

    def top_characters(self) -> int:
        """Characters of the commonest run, one blank between words, times how often it occurs; the first among equals.

        Where none is repeated, that is the first run there is. Occurrences may overlap, so in `a a a` it is more than
        the text has: the published rule counts so.
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
        """Characters of the runs that were there before, from left to right and none counted twice.

        Where there cannot be more than `limit`, 0.
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


def phrases(words: Words) -> Iterator[Phrases]:
    """The repeated runs of one word, of two, of three, and so on for as long as one asks."""
    ends = np.zeros(len(words) + 1, dtype=np.int64)
    np.cumsum(words.lengths, out=ends[1:])
    ids = words.last_places.astype(np.int64)
    places = np.flatnonzero(np.bincount(ids)[ids] > 1)
    names = ids[places]
    for length in count(1):
        yield Phrases(length, len(words), ends, places, names)
        if len(places):
            both = np.flatnonzero(places[1:] == places[:-1] + 1)
            places, names = _equal(places[both], names[both] * len(words) + ids[places[both] + length])


def _equal(places: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places whose key another has too, and numbers from 0 in place of keys."""
    some = likely(keys)
    places, keys = places[some], keys[some]
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


def likely(keys: np.ndarray) -> np.ndarray:
    """Where another key may be equal, by hashes: sorting what is left of them is what takes the time."""
    bits = max(4, (4 * len(keys)).bit_length())
    slots = (keys.view(np.uint64) * np.uint64(MIX)) >> np.uint64(64 - bits)
    slots = slots.view(np.int64)
    return np.flatnonzero(np.bincount(slots)[slots] > 1)

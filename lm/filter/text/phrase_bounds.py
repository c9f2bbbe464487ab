"""Characters that repeated runs of words have at most, at a sixth of the time of finding them: most texts need no more.

A bound is never too low: equal runs have equal hashes, and runs that only share a hash make it higher.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter

import numpy as np

from lm.filter.text.phrases import likely
from lm.filter.text.recent import Recent
from lm.filter.text.runs import hashed_runs
from lm.filter.text.words import Words, words
from lm.filter.text.words import look_ahead as find_words

RUN = 4  # words of the runs that are counted; those of longer ones repeat wherever they do


@dataclass
class PhraseBounds:
    """What `Phrases` says of the same words, or more.

    Of the words: how `often` the commonest stands there, and the most characters that one `word` has in all its places.
    Of the runs: how many were there before (`again`), how often the commonest stands there (`most`), the characters of
    the `longest`, and a hash of each. `ends` is where each word begins, and the last ends, were they all one.
    """

    often: int
    word: int
    again: int
    most: int
    longest: int
    hashes: np.ndarray
    ends: np.ndarray

    def top_characters(self, length: int) -> int:
        """A run occurs no oftener than each of its words, nor than its first `RUN` words, nor has it more of their
        characters than the word with most."""
        by_words = length * self.word + (length - 1) * self.often
        if length < RUN:
            return by_words
        return min(by_words, self.most * (-(-length // RUN) * self.longest + length - 1))

    def duplicate_characters(self, length: int, *, enough: float) -> float:
        """Every `RUN` words of a run that was there before were there before, and no two such runs overlap.

        Where that alone says that there are no more than `enough`, it is the bound; else it is counted in the stretches
        of words of which all `RUN` were there before, as far as such a run fits in.
        """
        if length < RUN:
            return np.inf
        bound = self.again * self.longest
        if bound <= enough:
            return bound
        sizes, characters = self._stretches
        return int(characters[sizes >= length - RUN + 1].sum())

    @cached_property
    def _stretches(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each stretch of runs one after another that were there before: how many, and the characters of all their
        words."""
        order = np.argsort(self.hashes, kind="stable")
        ordered = self.hashes[order]
        again = np.zeros(len(ordered) + 2, dtype=np.int8)
        again[1 + order[1:][ordered[1:] == ordered[:-1]]] = 1
        edges = np.diff(again)
        starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        return ends - starts, self.ends[ends - 1 + RUN] - self.ends[starts]


def bounds_of(texts: Sequence[Words]) -> list[PhraseBounds]:
    """Those of each text; of many together a text's take less than half the time, as most are short for numpy."""
    return [bounds for _, group in groupby(texts, key=attrgetter("known")) for bounds in _bounds_of([*group])]


@Recent
def phrase_bounds(text: str) -> PhraseBounds:
    """Those of the text's words."""
    return bounds_of([words(text)])[0]


def look_ahead(texts: Sequence[str]) -> None:
    """Find those of many texts together."""
    find_words(texts)
    new = [text for text in texts if text not in phrase_bounds]
    for text, found in zip(new, bounds_of([words(text) for text in new]), strict=True):
        phrase_bounds.keep(text, found)


def _bounds_of(texts: Sequence[Words]) -> list[PhraseBounds]:
    """Equal words have equal numbers in all."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    runs, first = np.maximum(sizes - RUN + 1, 0), np.cumsum(sizes) - sizes
    text_of, ids = np.repeat(np.arange(len(texts)), sizes), np.concatenate([text.ids for text in texts])
    lengths = np.frombuffer(texts[0].known.lengths, dtype=np.int32)[ids]
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])

    places = np.concatenate([text.last_places for text in texts]) + np.repeat(first, sizes)
    counts = np.bincount(places, minlength=len(ids))
    often, word = _most(counts, sizes), _most(counts * lengths, sizes)

    within = text_of[: 1 - RUN] == text_of[RUN - 1 :]  # where a run is of one text
    longest = _most((ends[RUN:] - ends[:-RUN])[within], runs)
    hashes, bits = hashed_runs(ids, RUN), np.uint64(64 - max(1, len(texts).bit_length()))
    text_of = text_of[: 1 - RUN][within].astype(np.uint64)
    keys = hashes[within] & ((np.uint64(1) << bits) - np.uint64(1)) | text_of << bits
    found, counts = np.unique(keys[likely(keys)], return_counts=True)
    different = np.bincount((found >> bits).view(np.int64), minlength=len(texts))
    most = np.maximum(_most(counts, different), 1)
    again = np.bincount((found >> bits).view(np.int64), weights=counts - 1, minlength=len(texts)).astype(np.int64)

    numbers = (each.tolist() for each in (often, word, again, most, longest, first, sizes, runs))
    return [
        PhraseBounds(*bounds, hashes[first : first + count], ends[first : first + size + 1])
        for *bounds, first, size, count in zip(*numbers, strict=True)
    ]


def _most(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The most of the first `counts[0]` values, of the next `counts[1]`, and so on; 0 of none."""
    most, some = np.zeros(len(counts), dtype=np.int64), np.flatnonzero(counts)
    if len(some):
        most[some] = np.maximum.reduceat(values, (np.cumsum(counts) - counts)[some])
    return most

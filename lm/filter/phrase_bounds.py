"""Characters that repeated runs of words have at most, at a third of the time of finding them: most texts need no more.

A bound is never too low: equal runs have equal hashes, and runs that only share a hash make it higher.
"""

import numpy as np

from lm.filter.runs import hashed_runs
from lm.filter.words import Words

RUN = 4  # words of the runs that are counted; those of longer ones repeat wherever they do


class PhraseBounds:
    """What `Phrases` says of the same words, or more."""

    def __init__(self, words: Words):
        lengths, places = words.lengths, words.last_places
        counts = np.bincount(places)[places]
        self.often, self.word = int(counts.max(initial=0)), int((counts * lengths).max(initial=0))
        hashes = hashed_runs(words.ids, RUN)
        hashes.sort()
        self.again = int(np.count_nonzero(hashes[1:] == hashes[:-1]))
        ends = np.concatenate([[0], np.cumsum(lengths)])
        self.longest = int((ends[RUN:] - ends[:-RUN]).max(initial=0))

    def top_characters(self, length: int) -> int:
        """A run occurs no oftener than each of its words, nor than its first `RUN` words, nor has it more of their
        characters than the word with most."""
        by_words = length * self.word + (length - 1) * self.often
        if length < RUN:
            return by_words
        return min(by_words, (self.again + 1) * (-(-length // RUN) * self.longest + length - 1))

    def duplicate_characters(self, length: int) -> float:
        """Every `RUN` words of a run that was there before were there before, and no two such runs overlap."""
        return self.again * self.longest if length >= RUN else np.inf

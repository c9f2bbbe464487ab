"""Inverted index of the n-grams of many texts, searched with all n-grams of a text at once.

A hash only proposes a match: the words are compared, so colliding hashes do no harm.
"""

import numpy as np

from lm.filter.text.hashes import hash_ngrams

BITS_PER_NGRAM = 32  # of the bit table that rejects most n-grams at once
BIT = np.array([1 << place for place in range(8)], dtype=np.uint8)


class NGramIndex:
    """N-grams of one length by their hashes; 12 bytes an n-gram and 4 to 8 for the bit table.

    Args:
        ids: Word ids of all texts, one after another, int32 [W].
        places: Where each n-gram begins in `ids`, [N].
        items: The item that each n-gram belongs to, [N]. Of equal n-grams of an item the first is indexed.
        length: Words per n-gram.
        max_items: N-grams of more items than this are left out and counted as `common`.
    """

    def __init__(self, ids: np.ndarray, places: np.ndarray, items: np.ndarray, *, length: int, max_items: int):
        self.ids, self.length = ids, length
        hashes = hash_ngrams(ids, length)[places]
        order = np.lexsort((places, items, hashes))
        hashes, items, places = hashes[order], items[order], places[order]
        distinct = np.ones(len(hashes), dtype=bool)
        distinct[1:] = (hashes[1:] != hashes[:-1]) | (items[1:] != items[:-1])
        hashes, places = hashes[distinct], places[distinct]
        _, counts = np.unique(hashes, return_counts=True)
        rare = np.repeat(counts <= max_items, counts)
        self.common = int((counts > max_items).sum())
        self.hashes, self.places = hashes[rare], places[rare].astype(np.int32)
        bits = max(16, (BITS_PER_NGRAM * len(self.hashes)).bit_length())
        self.shift = np.uint64(64 - bits)
        table = np.zeros(1 << bits, dtype=bool)
        table[self.hashes >> self.shift] = True
        self.table = np.packbits(table, bitorder="little")

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where each match begins: in the `ids` of a text, and in those of the index."""
        hashes = hash_ngrams(ids, self.length)
        slots = (hashes >> self.shift).view(np.int64)
        likely = np.flatnonzero(self.table.take(slots >> 3) & BIT.take(slots & 7))
        low = np.searchsorted(self.hashes, hashes[likely], side="left")
        counts = np.searchsorted(self.hashes, hashes[likely], side="right") - low
        here = np.repeat(likely, counts)
        which = np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(len(here))
        there = self.places[which].astype(np.int64)
        for offset in range(self.length if len(here) else 0):
            same = ids[here + offset] == self.ids[there + offset]
            here, there = here[same], there[same]
        return here, there

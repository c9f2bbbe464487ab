"""Runs of words of many items, found in any text at once: a text's runs are hashed together, and looked up together.

A hash only says where to look: what counts is that the words are the same, so no two hashes that meet do harm.
"""

import numpy as np

BASE, MIX = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
BITS_A_RUN = 32  # of the table that tells at once that most runs are not there
BIT = np.array([1 << place for place in range(8)], dtype=np.uint8)


class Runs:
    """Those of `length` ids that begin at `places` of `ids`, and each belong to the item of the same place in `items`.

    Runs in more than `most_items` items are left out, and counted as `common`. Of an item that has a run twice, the
    first is known. Takes 12 bytes a run and 4 to 8 for the table.
    """

    def __init__(self, ids: np.ndarray, places: np.ndarray, items: np.ndarray, *, length: int, most_items: int):
        self.ids, self.length = ids, length
        hashes = hashed_runs(ids, length)[places]
        order = np.lexsort((places, items, hashes))
        hashes, items, places = hashes[order], items[order], places[order]
        others = np.ones(len(hashes), dtype=bool)
        others[1:] = (hashes[1:] != hashes[:-1]) | (items[1:] != items[:-1])
        hashes, places = hashes[others], places[others]
        _, counts = np.unique(hashes, return_counts=True)
        rare = np.repeat(counts <= most_items, counts)
        self.common = int((counts > most_items).sum())
        self.hashes, self.places = hashes[rare], places[rare].astype(np.int32)
        bits = max(16, (BITS_A_RUN * len(self.hashes)).bit_length())
        self.shift = np.uint64(64 - bits)
        table = np.zeros(1 << bits, dtype=bool)
        table[self.hashes >> self.shift] = True
        self.table = np.packbits(table, bitorder="little")

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each run begins that is found: in the `ids` given, and in those of the items."""
        hashes = hashed_runs(ids, self.length)
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


def hashed_runs(ids: np.ndarray, length: int) -> np.ndarray:
    """A number for each run of `length` ids, made of those of its halves: a polynomial modulo 2**64."""
    if len(ids) < length:
        return np.zeros(0, dtype=np.uint64)
    part = (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(MIX)
    part = (part ^ (part >> np.uint64(32))) * np.uint64(MIX)
    width, whole, size = 1, None, 0
    while True:
        if length & width:
            whole = part if whole is None else _joined(whole, size, part, width)
            size += width
        if size == length:
            return whole
        part, width = _joined(part, width, part, width), 2 * width


def _joined(first: np.ndarray, size: int, second: np.ndarray, width: int) -> np.ndarray:
    """Numbers of the runs that are one of `size` and one of `width` after it."""
    after = second[size:]
    return first[: len(after)] * np.uint64(pow(BASE, width, 1 << 64)) + after

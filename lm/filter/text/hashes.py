"""Numbers for many short texts at once: each is hashed eight bytes at a time, and looked up in a table of those seen.

A dictionary of strings does the same at four times the cost: each string of it lies somewhere else in memory.
"""

from hashlib import blake2b

import numpy as np

FIRST, NEXT, HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), np.uint64(32)
UPTO = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)  # keeps so many of eight bytes
AFTER = b" " * 8  # what has to follow the last text in memory
LONGEST = 64  # bytes of texts that are hashed together; a longer one is hashed alone


def hashed(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """64 bits for each text of `lengths` bytes that begins at `starts` of data, which has 8 more behind the last.

    Among a million different texts, two have the same with a chance of 3e-8; of up to eight bytes none of a length do.
    """
    eights = np.ndarray(len(data) - len(AFTER) + 1, dtype="<u8", buffer=data, strides=(1,))
    hashes = (eights[starts] & UPTO[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * NEXT
    hashes *= FIRST
    hashes ^= hashes >> HALF
    hashes *= FIRST
    at, longer = 8, np.flatnonzero(lengths > 8)
    while len(longer) and at < LONGEST:
        left = lengths[longer] - at
        mixed = (hashes[longer] ^ (eights[starts[longer] + at] & UPTO[np.minimum(left, 8)])) * NEXT
        hashes[longer] = (mixed ^ (mixed >> HALF)) * FIRST
        at, longer = at + 8, longer[left > 8]
    for place in longer.tolist():
        text = data[starts[place] : starts[place] + lengths[place]]
        hashes[place] = int.from_bytes(blake2b(text, digest_size=8).digest())
    return hashes


class HashTable:
    """Hashes by number, from 1 on in the order in which they were added: 16 to 32 bytes of memory for each.

    Open addressing with linear probing, at most half full.
    """

    def __init__(self):
        self.size, self._bits = 1, 16  # number 0 is none
        self.slots = np.zeros(1 << self._bits, dtype=np.int32)
        self.hashes = np.zeros(1 << self._bits - 1, dtype=np.uint64)

    def find(self, hashes: np.ndarray) -> np.ndarray:
        """The number of each, 0 where it is not there."""
        slots = self._slots(hashes)
        found = self.slots[slots]
        same = self.hashes[found] == hashes
        numbers = np.where(same, found, 0)
        left = np.flatnonzero(~same & (found > 0))
        while len(left):  # another was there
            slots[left] = self._next(slots[left])
            found = self.slots[slots[left]]
            same = self.hashes[found] == hashes[left]
            numbers[left[same]] = found[same]
            left = left[~same & (found > 0)]
        return numbers

    def add(self, hashes: np.ndarray) -> None:
        """Give numbers to different ones that are not there."""
        first, self.size = self.size, self.size + len(hashes)
        if self.size > len(self.hashes):
            self._bits = (2 * self.size - 1).bit_length()
            known, self.hashes = self.hashes[:first], np.zeros(1 << self._bits - 1, dtype=np.uint64)
            self.hashes[:first] = known
            self.slots = np.zeros(1 << self._bits, dtype=np.int32)
            self._place(1, first)
        self.hashes[first : self.size] = hashes
        self._place(first, self.size)

    def _place(self, first: int, end: int) -> None:
        numbers = np.arange(first, end, dtype=np.int32)
        slots = self._slots(self.hashes[first:end])
        while len(numbers):
            free = self.slots[slots] == 0
            self.slots[slots[free]] = numbers[free]  # of two that want it, the second has it
            left = self.slots[slots] != numbers
            slots, numbers = self._next(slots[left]), numbers[left]

    def _slots(self, hashes: np.ndarray) -> np.ndarray:
        return (hashes >> np.uint64(64 - self._bits)).view(np.int64)

    def _next(self, slots: np.ndarray) -> np.ndarray:
        return (slots + 1) & ((1 << self._bits) - 1)

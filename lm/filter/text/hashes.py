"""64-bit hashes of words and n-grams, computed with NumPy for many words at once.

A dictionary of strings costs four times as much: each of its strings lies somewhere else in memory.
"""

from hashlib import blake2b

import numpy as np

from lm.classifier.features import BASE, MIX

FIRST, NEXT, HALF = np.uint64(BASE), np.uint64(MIX), np.uint64(32)
MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)  # keeps the first `count` of 8 bytes
PADDING = b" " * 8  # must follow the last word in memory
LONGEST = 64  # bytes of words that are hashed together; a longer one is hashed alone


def hash_spans(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Hash the byte spans of `data` that begin at `starts`, uint64 [N]; `data` ends with PADDING.

    Two of a million different spans collide with a probability of 3e-8; spans of equal length up to eight bytes never.
    """
    eights = np.ndarray(len(data) - len(PADDING) + 1, dtype="<u8", buffer=data, strides=(1,))
    hashes = (eights[starts] & MASKS[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * NEXT
    hashes *= FIRST
    hashes ^= hashes >> HALF
    hashes *= FIRST
    at, longer = 8, np.flatnonzero(lengths > 8)
    while len(longer) and at < LONGEST:
        left = lengths[longer] - at
        mixed = (hashes[longer] ^ (eights[starts[longer] + at] & MASKS[np.minimum(left, 8)])) * NEXT
        hashes[longer] = (mixed ^ (mixed >> HALF)) * FIRST
        at, longer = at + 8, longer[left > 8]
    for place in longer.tolist():
        text = data[starts[place] : starts[place] + lengths[place]]
        hashes[place] = int.from_bytes(blake2b(text, digest_size=8).digest())
    return hashes


def hash_ngrams(ids: np.ndarray, length: int) -> np.ndarray:
    """Hash each n-gram of `length` ids, uint64 [len(ids) - length + 1], by a polynomial modulo 2**64."""
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
    """Hashes of the n-grams that consist of one of `size` ids and the one of `width` ids after it."""
    after = second[size:]
    return first[: len(after)] * np.uint64(pow(BASE, width, 1 << 64)) + after


class HashTable:
    """Number hashes from 1 in the order they are added; 16 to 32 bytes of memory each.

    Open addressing with linear probing, at most half full.
    """

    def __init__(self):
        self.size, self._bits = 1, 16  # number 0 means absent
        self.slots = np.zeros(1 << self._bits, dtype=np.int32)
        self.hashes = np.zeros(1 << self._bits - 1, dtype=np.uint64)

    def find(self, hashes: np.ndarray) -> np.ndarray:
        """Return the number of each hash, 0 where it is absent."""
        slots = self._slots(hashes)
        numbers = self.slots[slots]
        same = self.hashes[numbers] == hashes
        found = np.where(same, numbers, 0)
        left = np.flatnonzero(~same & (numbers > 0))
        while len(left):  # the slot holds another hash
            slots[left] = self._next(slots[left])
            numbers = self.slots[slots[left]]
            same = self.hashes[numbers] == hashes[left]
            found[left[same]] = numbers[same]
            left = left[~same & (numbers > 0)]
        return found

    def add(self, hashes: np.ndarray) -> None:
        """Number distinct hashes that are absent."""
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
            self.slots[slots[free]] = numbers[free]  # of two hashes for one slot, the second takes it
            left = self.slots[slots] != numbers
            slots, numbers = self._next(slots[left]), numbers[left]

    def _slots(self, hashes: np.ndarray) -> np.ndarray:
        return (hashes >> np.uint64(64 - self._bits)).view(np.int64)

    def _next(self, slots: np.ndarray) -> np.ndarray:
        return (slots + 1) & ((1 << self._bits) - 1)

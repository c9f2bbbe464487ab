"""Packing that fills rows to the brim where the lengths allow it, for documents that are long beside a row."""

from collections.abc import Callable, Iterable

import numpy as np

from lm.data.packing import Rows, best_fit, packed

Preference = Callable[[int], float]  # of a size: the higher, the sooner it is put beside a longer one


def exact_fit(lengths: np.ndarray, context: int) -> Rows:
    """Put beside each document those that fill its row best together, longest first; one that fits is never cut.

    Where two to four documents make a row, `best_fit` finds one partner at a time and wastes 1 to 3 % of the places;
    looking for several at once leaves little but the last row. Among those that fill a row alike, either those are
    taken that are near the mean, or those that would waste most beside their like, as 180 of 512; whichever of the
    two, or `best_fit`, needs the fewest rows. The price is time, a second or a few where `best_fit` wastes a row. Which
    sums can be reached is kept as bits (subset sums by dynamic programming); longest first with a best fill is the
    minimum bin slack heuristic of Gupta and Ho 1999.
    """
    best = best_fit(lengths, context)
    fewest = -(-int(best.lengths.sum(dtype=np.int64)) // context)
    if len(best) == fewest:
        return best
    mean = float(best.lengths.mean())
    preferences: list[Preference] = [
        lambda size: -abs(size - mean),
        lambda size: 1 / (context // size) - size / context,
    ]
    for preference in preferences:
        found = packed(lengths, context, lambda sizes, room, prefer=preference: _assign(sizes, room, prefer))
        best = min(best, found, key=len)
    return best


def _assign(sizes: np.ndarray, context: int, preference: Preference) -> np.ndarray:
    """The row of each piece."""
    waiting = np.argsort(-sizes, kind="stable")  # longest first, and those of one size in their order
    found, begins, counts = np.unique(-sizes[waiting], return_index=True, return_counts=True)
    next_of = dict(zip((-found).tolist(), begins.tolist(), strict=True))
    left = dict(zip((-found).tolist(), counts.tolist(), strict=True))
    sums = Sums(left, context, preference)
    rows_of = np.empty(sizes.size, dtype=np.int64)
    made = 0
    for largest in (-found).tolist():
        while left[largest]:
            left[largest] -= 1  # while its row is filled
            sums.renew([largest])
            chosen = sums.fill(context - largest)
            left[largest] += 1
            chosen[largest] = chosen.get(largest, 0) + 1
            times = min(left[size] // each for size, each in chosen.items())
            for size, each in chosen.items():
                start = next_of[size]
                rows_of[waiting[start : start + times * each]] = np.repeat(np.arange(made, made + times), each)
                next_of[size] += times * each
                left[size] -= times * each
            made += times
            sums.renew(chosen)
    return rows_of


class Sums:
    """Which sums up to `context` can be made of the sizes that are `left`, a number of each, as bits of integers."""

    def __init__(self, left: dict[int, int], context: int, preference: Preference):
        self.left, self.context = left, context
        self.sizes = sorted(left, key=lambda size: (preference(size), size))
        self.place = {size: place for place, size in enumerate(self.sizes)}
        self.usable = [0] * len(self.sizes)
        self.reached = [1] * (len(self.sizes) + 1)  # of the sizes before each; the empty sum is always there
        self.renew(self.sizes)

    def fill(self, room: int) -> dict[int, int]:
        """How many of each size fill `room` best, those that are preferred first."""
        target = (self.reached[-1] & ((2 << room) - 1)).bit_length() - 1
        chosen = {}
        for place in range(len(self.sizes) - 1, -1, -1):
            if not target:
                break
            size = self.sizes[place]
            each = min(self.usable[place], target // size)
            while not self.reached[place] >> (target - each * size) & 1:
                each -= 1
            if each:
                chosen[size] = each
                target -= each * size
        return chosen

    def renew(self, changed: Iterable[int]) -> None:
        """Make the sums again where there are now fewer of a size than a row could take."""
        start = len(self.sizes)
        for size in changed:
            place, usable = self.place[size], min(self.left[size], self.context // size)
            if usable != self.usable[place]:
                self.usable[place], start = usable, min(start, place)
        mask = (2 << self.context) - 1
        for place in range(start, len(self.sizes)):
            size, rest, each, bits = self.sizes[place], self.usable[place], 1, self.reached[place]
            while rest:  # 1, 2, 4, … at once
                each = min(each, rest)
                bits |= bits << (each * size) & mask
                rest -= each
                each *= 2
            self.reached[place + 1] = bits

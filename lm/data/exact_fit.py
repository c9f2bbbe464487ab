"""Packing by subset sums: fills rows completely where possible, for documents nearly as long as a row."""

from collections.abc import Callable, Iterable

import numpy as np

from lm.data.packing import Packing, best_fit, pack_whole

Preference = Callable[[int], float]  # of a length: the higher, the sooner it joins a longer document


def exact_fit(lengths: np.ndarray, context: int) -> Packing:
    """Fill the row of each document, longest first, with those that fill it best together; none that fits is cut.

    If a row holds two to four documents, `best_fit` finds one partner at a time and wastes 1 to 3 % of the positions;
    searching for several at once wastes little but the last row. Of documents that fill a row equally well, one attempt
    prefers lengths near the mean, another those that waste most among their like, as 180 of 512; the result is
    whichever of the two, or `best_fit`, needs the fewest rows. The price is a second or a few, paid only where
    `best_fit` wastes a row. Reachable sums are bits of an integer (subset sums by dynamic programming); longest first
    with a best fill is the minimum bin slack heuristic of Gupta and Ho 1999.

    Args:
        lengths: Targets of each document, at least 1, int64 [documents].
        context: Targets of a row.
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
        packing = pack_whole(lengths, context, lambda sizes, room, prefer=preference: _assign(sizes, room, prefer))
        best = min(best, packing, key=len)
    return best


def _assign(sizes: np.ndarray, context: int, preference: Preference) -> np.ndarray:
    """Return the row of each piece."""
    waiting = np.argsort(-sizes, kind="stable")  # longest first, and in their order within a size
    negated, begins, counts = np.unique(-sizes[waiting], return_index=True, return_counts=True)
    next_of = dict(zip((-negated).tolist(), begins.tolist(), strict=True))
    left = dict(zip((-negated).tolist(), counts.tolist(), strict=True))
    sums = Sums(left, context, preference)
    rows_of = np.empty(sizes.size, dtype=np.int64)
    row_count = 0
    for largest in (-negated).tolist():
        while left[largest]:
            left[largest] -= 1  # it is the row's own while the row is filled
            sums.update([largest])
            chosen = sums.fill(context - largest)
            left[largest] += 1
            chosen[largest] = chosen.get(largest, 0) + 1
            times = min(left[size] // each for size, each in chosen.items())
            for size, each in chosen.items():
                start = next_of[size]
                rows_of[waiting[start : start + times * each]] = np.repeat(
                    np.arange(row_count, row_count + times), each
                )
                next_of[size] += times * each
                left[size] -= times * each
            row_count += times
            sums.update(chosen)
    return rows_of


class Sums:
    """Sums up to `context` that the remaining sizes can form, as bits of integers.

    Args:
        left: Size → how many remain.
        context: Largest sum.
        preference: Of sizes that fill a row equally well, the higher is taken first.
    """

    def __init__(self, left: dict[int, int], context: int, preference: Preference):
        self.left, self.context = left, context
        self.sizes = sorted(left, key=lambda size: (preference(size), size))
        self.index = {size: index for index, size in enumerate(self.sizes)}
        self.usable = [0] * len(self.sizes)
        self.reached = [1] * (len(self.sizes) + 1)  # sums of the sizes before each; the empty sum is always among them
        self.update(self.sizes)

    def fill(self, room: int) -> dict[int, int]:
        """Return how many of each size fill `room` best, preferred sizes first."""
        target = (self.reached[-1] & ((2 << room) - 1)).bit_length() - 1
        chosen = {}
        for index in range(len(self.sizes) - 1, -1, -1):
            if not target:
                break
            size = self.sizes[index]
            each = min(self.usable[index], target // size)
            while not self.reached[index] >> (target - each * size) & 1:
                each -= 1
            if each:
                chosen[size] = each
                target -= each * size
        return chosen

    def update(self, changed: Iterable[int]) -> None:
        """Recompute the sums from the first size of which fewer remain than a row could hold."""
        start = len(self.sizes)
        for size in changed:
            index, usable = self.index[size], min(self.left[size], self.context // size)
            if usable != self.usable[index]:
                self.usable[index], start = usable, min(start, index)
        mask = (2 << self.context) - 1
        for index in range(start, len(self.sizes)):
            size, rest, each, bits = self.sizes[index], self.usable[index], 1, self.reached[index]
            while rest:  # 1, 2, 4, … at once
                each = min(each, rest)
                bits |= bits << (each * size) & mask
                rest -= each
                each *= 2
            self.reached[index + 1] = bits

"""Which rows make up global batch s, by arithmetic: nothing to save, nothing that ranks or workers could change.

A shuffled list is state: it must be stored, restored and agreed on by every process, and a resumed run goes
wrong as soon as one of them disagrees. Here the g-th row of the whole run is a pure function of (seed, g): a
keyed permutation of each source and epoch (a Feistel network with cycle walking, Black and Rogaway 2002), and,
where sources are mixed by weight, a periodic pattern in which every prefix holds each source's share to within
one row (earliest deadline first on unit jobs, the uniprocessor case of Baruah et al., "Proportionate progress",
1996). Sampling by chance would be off by the square root of the rows drawn.
"""

import heapq
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

LONGEST_PERIOD = 1_000_000  # rows after which a mixture's pattern repeats; finer weights are rounded to it


def mix(values: np.ndarray) -> np.ndarray:
    """Scramble 64-bit words (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def permute(positions: np.ndarray, size: int, keys: np.ndarray) -> np.ndarray:
    """Where each position in 0…size-1 goes under the permutation named by its key (uint64, one a position)."""
    half_bits = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    half_mask = np.uint64((1 << int(half_bits)) - 1)
    values = positions.astype(np.uint64)
    keys = np.broadcast_to(keys, values.shape).astype(np.uint64)
    outside = np.ones(values.shape, dtype=bool)
    while outside.any():  # walk the cycle until it is inside again: fewer than 4 turns on average
        left, right = values[outside] >> half_bits, values[outside] & half_mask
        for turn in range(6):
            with np.errstate(over="ignore"):
                salt = keys[outside] + np.uint64(turn + 1) * np.uint64(0x9E3779B97F4A7C15)
            left, right = right, left ^ (mix(right ^ mix(salt)) & half_mask)
        values[outside] = (left << half_bits) | right
        outside = values >= np.uint64(size)
    return values.astype(np.int64)


def interleave(shares: Sequence[Fraction]) -> np.ndarray:
    """The source of each row of one period: every prefix holds every share to within one row.

    A source's n-th row (from 0) may be due no earlier than row floor(n / share) and no later than
    ceil((n + 1) / share) - 1; of those that may be due, the one with the earliest deadline goes first.
    """
    period = lcm(*(share.denominator for share in shares))
    waiting = [(0, source, 0) for source, share in enumerate(shares) if share > 0]  # release, source, n
    heapq.heapify(waiting)
    ready: list[tuple[int, int, int]] = []  # deadline, source, n
    pattern = np.empty(period, dtype=np.int32)
    for row in range(period):
        while waiting and waiting[0][0] <= row:
            _, source, n = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(n + 1) // shares[source]), source, n))
        _, source, n = heapq.heappop(ready)
        pattern[row] = source
        heapq.heappush(waiting, ((n + 1) // shares[source], source, n + 1))
    return pattern


def exact_shares(weights: Sequence[float]) -> list[Fraction]:
    """Weights as fractions that sum to one, with a common denominator of at most LONGEST_PERIOD."""
    if not weights or min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"weights {list(weights)}: none may be negative and at least one must be positive")
    fractions = [Fraction(str(weight)) for weight in weights]
    shares = [fraction / sum(fractions) for fraction in fractions]
    if lcm(*(share.denominator for share in shares)) <= LONGEST_PERIOD:
        return shares
    if tiny := [weight for weight, share in zip(weights, shares, strict=True) if 0 < share < 1 / LONGEST_PERIOD]:
        raise ValueError(
            f"data.weights: {tiny[0]:g} is less than a millionth of them all, one row in {LONGEST_PERIOD}: leave that "
            "source out, or raise its weight"
        )
    rounded = [round(share * LONGEST_PERIOD) for share in shares]
    rounded[rounded.index(max(rounded))] += LONGEST_PERIOD - sum(rounded)
    return [Fraction(count, LONGEST_PERIOD) for count in rounded]


class Order:
    """The order of rows of a run over one or several sources.

    `sizes` are rows a source. Without `weights` all rows of all sources are shuffled together and every epoch
    is a permutation of them. With `weights` (shares of rows) each source keeps its own epochs.
    """

    def __init__(self, seed: int, sizes: Sequence[int], *, weights: Sequence[float] | None = None):
        self.seed = seed
        self.sizes = np.asarray(sizes, dtype=np.int64)
        self.pattern = None
        if self.sizes.size == 0 or (self.sizes < 0).any() or self.sizes.sum() == 0:
            raise ValueError(f"sizes {list(sizes)}: there must be at least one row to order")
        if weights is not None:
            if len(weights) != len(sizes):
                raise ValueError(f"{len(weights)} weights for {len(sizes)} sources: give one each")
            empty = [i for i, (w, n) in enumerate(zip(weights, sizes, strict=True)) if w > 0 and n == 0]
            if empty:
                raise ValueError(f"source {empty[0]} has a weight of {weights[empty[0]]} and no rows")
            self.pattern = interleave(exact_shares(weights))
            self._before = np.stack([np.cumsum(self.pattern == i) for i in range(len(sizes))])

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """(source, row in it) of rows start…stop-1 of the run."""
        places = np.arange(start, stop, dtype=np.int64)
        if self.pattern is None:
            total = int(self.sizes.sum())
            shuffled = permute(places % total, total, self._keys(0, places // total))
            ends = np.cumsum(self.sizes)
            sources = np.searchsorted(ends, shuffled, side="right")
            return sources, shuffled - (ends - self.sizes)[sources]
        sources = self.pattern[places % self.pattern.size].astype(np.int64)
        counts = self._counts(places)[sources, np.arange(places.size)]
        rows = np.empty_like(places)
        for source in np.unique(sources):
            chosen, size = sources == source, int(self.sizes[source])
            keys = self._keys(int(source) + 1, counts[chosen] // size)
            rows[chosen] = permute(counts[chosen] % size, size, keys)
        return sources, rows

    def epochs(self, rows: int) -> list[float]:
        """How often each source has been read after that many rows of the run."""
        if self.pattern is None:
            return [rows / int(self.sizes.sum())] * len(self.sizes)
        taken = self._counts(np.array([rows]))[:, 0]
        return [int(n) / int(size) if size else 0.0 for n, size in zip(taken, self.sizes, strict=True)]

    def _counts(self, places: np.ndarray) -> np.ndarray:
        """Rows of each source before each place: sources × places."""
        period, within = self.pattern.size, places % self.pattern.size
        before = np.where(within > 0, self._before[:, within - 1], 0)
        return (places // period) * self._before[:, -1:] + before

    def _keys(self, source: int, epochs: np.ndarray) -> np.ndarray:
        base = mix(np.array([self.seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64))
        return mix(mix(base + np.uint64(source)) ^ epochs.astype(np.uint64))

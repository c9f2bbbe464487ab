"""The order of rows by arithmetic: a pure function of seed and position, with nothing to save.

A shuffled list is state: every process must store it, restore it and agree on it, and a resumed run is wrong as soon
as one of them disagrees. Here the g-th row of the run is a pure function of (seed, g): a keyed permutation of each
source and epoch (a Feistel network with cycle walking, Black and Rogaway 2002) and, for a mixture, a pattern that says
which source gives each row.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lm.data.pattern import Pattern

CHUNK = 1_000_000  # rows that are compared at once


def mix(values: np.ndarray) -> np.ndarray:
    """Scramble 64-bit words (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def permute(positions: np.ndarray, size: int, keys: np.ndarray) -> np.ndarray:
    """Permute positions by pseudo-random permutations of 0…size-1.

    Args:
        positions: Positions, int64 [N], each in 0…size-1.
        size: Number of positions that a permutation covers.
        keys: Key of the permutation to apply to each position, uint64 [N] or [1].

    Returns:
        The image of each position, int64 [N].
    """
    half_bits = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    half_mask = np.uint64((1 << int(half_bits)) - 1)
    values = positions.astype(np.uint64)
    keys = np.broadcast_to(keys, values.shape).astype(np.uint64)
    outside = np.ones(values.shape, dtype=bool)
    while outside.any():  # walk the cycle until the value is inside again: fewer than 4 steps on average
        left, right = values[outside] >> half_bits, values[outside] & half_mask
        for step in range(6):
            with np.errstate(over="ignore"):
                salt = keys[outside] + np.uint64(step + 1) * np.uint64(0x9E3779B97F4A7C15)
            left, right = right, left ^ (mix(right ^ mix(salt)) & half_mask)
        values[outside] = (left << half_bits) | right
        outside = values >= np.uint64(size)
    return values.astype(np.int64)


class Order:
    """The order of rows of a run over one or several sources.

    Without `stages`, all rows of all sources are shuffled together and every epoch is a permutation of them. With
    `stages`, each source has epochs of its own, which continue from stage to stage.

    Args:
        seed: Seed of the permutations.
        sizes: Rows of each source.
        stages: Rows of each stage of a mixture, with the share of each source in them.
    """

    def __init__(
        self, seed: int, sizes: Sequence[int], *, stages: Sequence[tuple[int, Sequence[Fraction]]] | None = None
    ):
        self.seed = seed
        self.sizes = np.asarray(sizes, dtype=np.int64)
        if self.sizes.size == 0 or (self.sizes < 0).any() or self.sizes.sum() == 0:
            raise ValueError(f"sizes {list(sizes)}: there must be at least one row to order")
        self.patterns = None if stages is None else [Pattern(shares, rows) for rows, shares in stages]
        self.ends = np.cumsum([rows for rows, _ in stages or ()], dtype=np.int64)  # last row of each stage, exclusive
        counts = [pattern.counts(rows) for pattern, (rows, _) in zip(self.patterns or (), stages or (), strict=True)]
        assert not any((count[self.sizes == 0] > 0).any() for count in counts), "an empty source has no share"
        self.before = np.cumsum([np.zeros_like(self.sizes), *counts], axis=0)  # [stages + 1, sources]

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the source of each row start…stop-1 of the run, and its index in that source, int64 [stop - start]."""
        positions = np.arange(start, stop, dtype=np.int64)
        if self.patterns is None:
            total = int(self.sizes.sum())
            shuffled = permute(positions % total, total, self._keys(0, positions // total))
            ends = np.cumsum(self.sizes)
            sources = np.searchsorted(ends, shuffled, side="right")
            return sources, shuffled - (ends - self.sizes)[sources]
        sources, numbers = self._sources(positions)
        rows = np.empty_like(positions)
        for source in np.unique(sources):
            chosen, size = sources == source, int(self.sizes[source])
            keys = self._keys(int(source) + 1, numbers[chosen] // size)
            rows[chosen] = permute(numbers[chosen] % size, size, keys)
        return sources, rows

    def begins_like(self, other: "Order", rows: int) -> bool:
        """Whether another order of the same seed and sources has the same first `rows` rows."""
        if self.patterns is None or other.patterns is None:
            return self.patterns is other.patterns
        chunks = (np.arange(start, min(start + CHUNK, rows), dtype=np.int64) for start in range(0, rows, CHUNK))
        return all(np.array_equal(self._sources(chunk)[0], other._sources(chunk)[0]) for chunk in chunks)

    def counts(self, rows: int) -> np.ndarray | None:
        """Rows that each source gives to the first `rows` of the run [sources]; None if they are shuffled together."""
        if self.patterns is None:
            return None
        stage = min(int(np.searchsorted(self.ends, rows)), len(self.patterns) - 1)
        begin = int(self.ends[stage - 1]) if stage else 0
        return self.before[stage] + self.patterns[stage].counts(rows - begin)

    def epochs(self, rows: int) -> list[float]:
        """Epochs of each source in the first `rows` rows of the run."""
        counts = self.counts(rows)
        if counts is None:
            return [rows / int(self.sizes.sum())] * len(self.sizes)
        return [int(n) / int(size) if size else 0.0 for n, size in zip(counts, self.sizes, strict=True)]

    def _sources(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The source of each position, and how many rows that source gives before it."""
        assert not positions.size or positions[-1] < self.ends[-1], "a mixture ends with its run"
        sources, numbers = np.empty_like(positions), np.empty_like(positions)
        stages = np.searchsorted(self.ends, positions, side="right")
        for stage in np.unique(stages):
            here, begin = stages == stage, int(self.ends[stage - 1]) if stage else 0
            sources[here], earlier = self.patterns[stage].at(positions[here] - begin)
            numbers[here] = self.before[stage][sources[here]] + earlier
        return sources, numbers

    def _keys(self, source: int, epochs: np.ndarray) -> np.ndarray:
        base = mix(np.array([self.seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64))
        return mix(mix(base + np.uint64(source)) ^ epochs.astype(np.uint64))

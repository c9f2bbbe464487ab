"""Which source gives each row of a mixture: every prefix holds each share to within one row.

Random sampling would be off by the square root of the number of rows. This is earliest deadline first on unit jobs, the
uniprocessor case of Baruah et al., "Proportionate progress", 1996.
"""

import heapq
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

MAX_PERIOD = 1_000_000  # rows of a pattern, at most; shares that need more are rounded to a millionth


def interleave(shares: Sequence[Fraction], rows: int) -> np.ndarray:
    """Return the source of each of the first `rows` rows, int32 [rows].

    The n-th row of a source (from 0) is released at row floor(n / share) and due by row ceil((n + 1) / share) - 1; of
    the released rows, the one with the earliest deadline comes first.
    """
    numerators, denominators = [share.numerator for share in shares], [share.denominator for share in shares]
    waiting = [(0, source, 0) for source, share in enumerate(shares) if share > 0]  # release, source, n
    heapq.heapify(waiting)
    ready: list[tuple[int, int, int]] = []  # deadline, source, n
    pattern = np.empty(rows, dtype=np.int32)
    for row in range(rows):
        while waiting and waiting[0][0] <= row:
            _, source, n = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(n + 1) * denominators[source] // numerators[source]), source, n))
        _, source, n = heapq.heappop(ready)
        pattern[row] = source
        heapq.heappush(waiting, ((n + 1) * denominators[source] // numerators[source], source, n + 1))
    return pattern


def round_shares(shares: Sequence[Fraction], rows: int) -> list[Fraction]:
    """Round shares to what a pattern of at most `MAX_PERIOD` rows holds; fewer rows, or shorter periods, need none.

    Rounding is by largest remainders: each share is off by less than a millionth, and whole millionths are unchanged.
    """
    if rows <= MAX_PERIOD or lcm(*(share.denominator for share in shares)) <= MAX_PERIOD:
        return list(shares)
    parts = [share * MAX_PERIOD for share in shares]
    counts = [int(part) for part in parts]
    left = MAX_PERIOD - sum(counts)
    for source in sorted(range(len(parts)), key=lambda source: counts[source] - parts[source])[:left]:
        counts[source] += 1
    return [Fraction(count, MAX_PERIOD) for count in counts]


class Pattern:
    """The source of each of `rows` rows. Memory holds one period of the pattern, or all rows if they are fewer.

    Args:
        shares: Share of each source; they sum to one.
        rows: Rows that the pattern covers.
    """

    def __init__(self, shares: Sequence[Fraction], rows: int):
        assert sum(shares) == 1
        shares = round_shares(shares, rows)
        self.sources = interleave(shares, min(rows, lcm(*(share.denominator for share in shares))))
        self.period_counts = np.bincount(self.sources, minlength=len(shares))
        self.before = np.empty_like(self.sources)  # rows of the same source before each
        for source, count in enumerate(self.period_counts):
            self.before[self.sources == source] = np.arange(count)

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The source of each position, and how many rows that source gives before it."""
        periods, within = np.divmod(positions, self.sources.size)
        sources = self.sources[within].astype(np.int64)
        return sources, periods * self.period_counts[sources] + self.before[within]

    def counts(self, rows: int) -> np.ndarray:
        """Rows that each source gives to the first `rows` rows [sources]."""
        periods, within = divmod(rows, self.sources.size)
        partial = np.bincount(self.sources[:within], minlength=self.period_counts.size)
        return periods * self.period_counts + partial

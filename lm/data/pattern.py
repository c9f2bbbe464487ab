"""Which source gives each row of a mixture, so that every prefix holds each source's share to within one row.

Sampling by chance would be off by the square root of the rows drawn. This is earliest deadline first on unit jobs, the
uniprocessor case of Baruah et al., "Proportionate progress", 1996.
"""

import heapq
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

LONGEST_PERIOD = 1_000_000  # rows that a pattern may hold; shares that need more are rounded to a millionth


def interleave(shares: Sequence[Fraction], rows: int) -> np.ndarray:
    """The source of each of the first `rows` rows.

    A source's n-th row (from 0) may be due no earlier than row floor(n / share) and no later than
    ceil((n + 1) / share) - 1; of those that may be due, the one with the earliest deadline goes first.
    """
    above, below = [share.numerator for share in shares], [share.denominator for share in shares]
    waiting = [(0, source, 0) for source, share in enumerate(shares) if share > 0]  # release, source, n
    heapq.heapify(waiting)
    ready: list[tuple[int, int, int]] = []  # deadline, source, n
    pattern = np.empty(rows, dtype=np.int32)
    for row in range(rows):
        while waiting and waiting[0][0] <= row:
            _, source, n = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(n + 1) * below[source] // above[source]), source, n))
        _, source, n = heapq.heappop(ready)
        pattern[row] = source
        heapq.heappush(waiting, ((n + 1) * below[source] // above[source], source, n + 1))
    return pattern


def held(shares: Sequence[Fraction], rows: int) -> list[Fraction]:
    """The shares that a pattern can hold over that many rows: these, unless both they and the rows need too long a one.

    Rounded are they by largest remainders, so each is off by less than a millionth and a whole number of millionths
    stays as it is.
    """
    if rows <= LONGEST_PERIOD or lcm(*(share.denominator for share in shares)) <= LONGEST_PERIOD:
        return list(shares)
    parts = [share * LONGEST_PERIOD for share in shares]
    counts = [int(part) for part in parts]
    left = LONGEST_PERIOD - sum(counts)
    for source in sorted(range(len(parts)), key=lambda source: counts[source] - parts[source])[:left]:
        counts[source] += 1
    return [Fraction(count, LONGEST_PERIOD) for count in counts]


class Pattern:
    """The sources of `rows` rows by their `shares`; in memory are one period or all the rows, whichever are fewer."""

    def __init__(self, shares: Sequence[Fraction], rows: int):
        assert sum(shares) == 1
        shares = held(shares, rows)
        self.sources = interleave(shares, min(rows, lcm(*(share.denominator for share in shares))))
        self.period_counts = np.bincount(self.sources, minlength=len(shares))
        self.before = np.empty_like(self.sources)  # rows of the same source before each
        for source, count in enumerate(self.period_counts):
            self.before[self.sources == source] = np.arange(count)

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The source of each place, and how many rows that source has given before."""
        periods, within = np.divmod(places, self.sources.size)
        sources = self.sources[within].astype(np.int64)
        return sources, periods * self.period_counts[sources] + self.before[within]

    def counts(self, rows: int) -> np.ndarray:
        """How many of the first `rows` rows each source gives."""
        periods, within = divmod(rows, self.sources.size)
        begun = np.bincount(self.sources[:within], minlength=self.period_counts.size)
        return periods * self.period_counts + begun

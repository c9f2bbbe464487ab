"""Which source's turn it is: every prefix holds every share to within a row, by naive counting."""

import random
from fractions import Fraction

import numpy as np
import pytest

from lm.data import pattern
from lm.data.pattern import Pattern, interleave, round_shares


def drawn(draw: random.Random) -> list[Fraction]:
    """Shares of one to six sources, round or not, some zero, some tiny."""
    parts = [
        draw.choice([0, draw.randint(1, 9), Fraction(draw.random()), Fraction(draw.random() ** 6)])
        for _ in range(draw.randint(1, 6))
    ]
    total = sum(parts)
    return [Fraction(part) / total for part in parts] if total else drawn(draw)


@pytest.mark.parametrize("seed", range(40))
def test_every_prefix_holds_every_share_to_within_a_row(seed):
    draw = random.Random(seed)
    shares, rows = drawn(draw), draw.randint(1, 3000)
    found = Pattern(shares, rows)
    sources, before = found.at(np.arange(rows))
    counts = np.cumsum(sources[:, None] == np.arange(len(shares)), axis=0)
    wanted = np.arange(1, rows + 1)[:, None] * np.array([float(share) for share in shares])
    assert np.abs(counts - wanted).max() < 1 + 1e-9
    assert not counts[:, [share == 0 for share in shares]].any()
    assert (before == counts[np.arange(rows), sources] - 1).all()
    for place in (0, 1, rows // 2, rows):
        assert found.counts(place).tolist() == np.bincount(sources[:place], minlength=len(shares)).tolist()


def test_only_one_period_is_held_in_memory():
    found = Pattern([Fraction(1, 3), Fraction(2, 3)], 10**12)
    assert found.sources.size == 3
    assert found.counts(10**12 - 1).tolist() == [333333333333, 666666666666]
    sources, before = found.at(np.array([10**11]))
    assert before[0] == found.counts(10**11)[sources[0]]


def test_shares_that_need_too_long_a_pattern_are_rounded_by_largest_remainders(monkeypatch):
    monkeypatch.setattr(pattern, "MAX_PERIOD", 100)
    shares = [Fraction(1, 7), Fraction(1, 11), Fraction(25, 100)]
    shares.append(1 - sum(shares))
    assert round_shares(shares, 100) == shares, "no longer than the run"
    rounded = round_shares(shares, 101)
    assert sum(rounded) == 1
    assert rounded[2] == Fraction(25, 100), "what is whole stays"
    assert max(abs(one - other) for one, other in zip(shares, rounded, strict=True)) < Fraction(1, 100)
    assert round_shares([Fraction(1, 3), Fraction(2, 3)], 10**9) == [Fraction(1, 3), Fraction(2, 3)]
    assert Pattern(shares, 10**9).sources.size <= 100


def test_the_earliest_deadline_goes_first():
    assert interleave([Fraction(1, 3), Fraction(2, 3)], 6).tolist() == [1, 0, 1, 1, 0, 1]

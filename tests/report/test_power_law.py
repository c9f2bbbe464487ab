"""A law is recovered from points on it, and its interval holds the truth as often as it says."""

import numpy as np
import pytest

from lm.report.power_law import power_law, power_law_with_floor

COMPUTE = np.geomspace(1e12, 1e16, 6)


def test_points_on_a_line_give_that_line():
    found = power_law(COMPUTE, 40 * COMPUTE**-0.1)
    assert (found.factor, found.exponent) == (pytest.approx(40), pytest.approx(0.1))
    assert (found.floor, found.low, found.high) == (0.0, pytest.approx(0.1), pytest.approx(0.1))
    assert found(1e18) == pytest.approx(40 * 1e18**-0.1)


def test_two_points_have_a_line_and_no_interval():
    found = power_law([1e12, 1e14], [2.0, 1.0])
    assert found.exponent == pytest.approx(np.log10(2) / 2)
    assert found.low is found.high is None


def test_the_interval_holds_the_truth_19_times_in_20():
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        found = power_law(COMPUTE[:4], 40 * COMPUTE[:4] ** -0.1 * np.exp(0.02 * draw.standard_normal(4)))
        held += found.low <= 0.1 <= found.high
    assert 930 <= held <= 970


def test_a_floor_is_recovered_from_enough_points():
    found = power_law_with_floor(COMPUTE, 1.2 + 500 * COMPUTE**-0.25)
    assert found.floor == pytest.approx(1.2, abs=2e-3)
    assert found.exponent == pytest.approx(0.25, rel=5e-3)
    assert found.low <= found.exponent <= found.high
    assert found(1e18) == pytest.approx(1.2 + 500 * 1e18**-0.25, rel=5e-3)


def test_the_interval_with_a_floor_holds_the_truth():
    draw = np.random.default_rng(0)
    compute = np.geomspace(1e12, 1e17, 8)
    held = found = 0
    for _ in range(20):
        law = power_law_with_floor(compute, (1.2 + 500 * compute**-0.25) * np.exp(0.005 * draw.standard_normal(8)))
        found += law is not None
        held += law is not None and law.low <= 0.25 <= law.high
    assert found >= 18
    assert held >= found - 3


def test_without_enough_points_or_a_bend_there_is_no_floor_to_tell():
    assert power_law_with_floor(COMPUTE[:4], 1.2 + 500 * COMPUTE[:4] ** -0.25) is None
    noise = np.array([1.0, 1.1, 0.9, 1.1, 0.9, 1.0])
    assert power_law_with_floor(COMPUTE, noise) is None
    straight = power_law_with_floor(COMPUTE, 40 * COMPUTE**-0.1)
    assert straight is None or straight.floor == pytest.approx(0, abs=0.02)


def test_a_floor_is_never_below_nothing():
    """Text of less than 0 bits there is not, though points that fall ever faster would have it so."""
    found = power_law_with_floor(COMPUTE, 40 * COMPUTE**-0.1 - 0.3)
    assert found is None or found.floor == 0

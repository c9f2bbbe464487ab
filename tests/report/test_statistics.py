"""Power laws are recovered from points on them, and 95 % intervals contain the truth 19 times in 20."""

import numpy as np
import pytest

from lm.report import confidence_interval, fit_power_law, fit_power_law_with_floor

COMPUTE = np.geomspace(1e12, 1e16, 6)


def test_points_on_a_line_give_that_line():
    law = fit_power_law(COMPUTE, 40 * COMPUTE**-0.1)
    assert (law.factor, law.exponent) == (pytest.approx(40), pytest.approx(0.1))
    assert (law.floor, law.low, law.high) == (0.0, pytest.approx(0.1), pytest.approx(0.1))
    assert law(1e18) == pytest.approx(40 * 1e18**-0.1)


def test_two_points_give_a_line_without_an_interval():
    law = fit_power_law([1e12, 1e14], [2.0, 1.0])
    assert law.exponent == pytest.approx(np.log10(2) / 2)
    assert law.low is law.high is None


def test_the_interval_contains_the_truth_19_times_in_20():
    draw = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        law = fit_power_law(COMPUTE[:4], 40 * COMPUTE[:4] ** -0.1 * np.exp(0.02 * draw.standard_normal(4)))
        covered += law.low <= 0.1 <= law.high
    assert 930 <= covered <= 970


def test_a_floor_is_recovered_from_enough_points():
    law = fit_power_law_with_floor(COMPUTE, 1.2 + 500 * COMPUTE**-0.25)
    assert law.floor == pytest.approx(1.2, abs=2e-3)
    assert law.exponent == pytest.approx(0.25, rel=5e-3)
    assert law.low <= law.exponent <= law.high
    assert law(1e18) == pytest.approx(1.2 + 500 * 1e18**-0.25, rel=5e-3)


def test_the_interval_with_a_floor_contains_the_truth():
    draw = np.random.default_rng(0)
    compute = np.geomspace(1e12, 1e17, 8)
    covered = fitted = 0
    for _ in range(20):
        law = fit_power_law_with_floor(compute, (1.2 + 500 * compute**-0.25) * np.exp(0.005 * draw.standard_normal(8)))
        fitted += law is not None
        covered += law is not None and law.low <= 0.25 <= law.high
    assert fitted >= 18
    assert covered >= fitted - 3


def test_too_few_points_or_no_curvature_give_no_floor():
    assert fit_power_law_with_floor(COMPUTE[:4], 1.2 + 500 * COMPUTE[:4] ** -0.25) is None
    noise = np.array([1.0, 1.1, 0.9, 1.1, 0.9, 1.0])
    assert fit_power_law_with_floor(COMPUTE, noise) is None
    straight = fit_power_law_with_floor(COMPUTE, 40 * COMPUTE**-0.1)
    assert straight is None or straight.floor == pytest.approx(0, abs=0.02)


def test_a_floor_is_never_negative():
    """Points that fall ever faster would fit a floor below 0 bits, which does not exist."""
    law = fit_power_law_with_floor(COMPUTE, 40 * COMPUTE**-0.1 - 0.3)
    assert law is None or law.floor == 0


def test_a_confidence_interval_is_students():
    interval = confidence_interval([1.0, 2.0, 4.0])  # mean 7/3, sd 1.5275, 4.303 × sd / √3
    assert (interval["mean"], interval["half_width"]) == (pytest.approx(7 / 3), pytest.approx(3.795, abs=1e-3))
    assert confidence_interval([1.5])["half_width"] is None

"""Exposures are exact among all secrets, and estimated from a sample as published."""

from math import atan, erfc, log2, pi, sqrt

import numpy as np
import pytest

from lm.evaluation.rank import estimated, exact, skew_normal_tail


def test_the_likeliest_of_1024_exposes_ten_bits_and_the_last_none():
    others = [float(n) for n in range(1, 1024)]
    assert exact(0.5, others).bits == 10
    assert exact(0.5, others).rank == 1
    assert exact(2000.0, others).bits == 0
    assert exact(511.5, others).bits == pytest.approx(1.0)
    assert exact(1.0, others).rank == 2  # an equal one ranks before it


def test_secrets_at_random_expose_144_hundredths_of_a_bit_on_average():
    others = [float(n) for n in range(1, 5000)]
    assert np.mean([exact(n + 0.5, others).bits for n in range(5000)]) == pytest.approx(1.4427, abs=0.01)


def test_a_rank_within_the_sample_is_a_share_with_its_interval():
    sample = np.random.default_rng(0).normal(size=10_000)
    found = estimated(-2.0, sample.tolist(), 10**9)
    assert found.method == "sampling"
    low, high = found.interval
    assert low < -log2(erfc(2 / sqrt(2)) / 2) < high
    assert low < found.bits < high


def test_a_rank_beyond_the_sample_follows_from_the_skew_normal_distribution():
    sample = np.random.default_rng(0).normal(10, 2, size=10_000)
    found = estimated(-2.0, sample.tolist(), 10**12)  # six deviations below the mean
    assert found.method == "skew-normal"
    assert found.bits == pytest.approx(-log2(erfc(6 / sqrt(2)) / 2), rel=0.12)
    assert found.interval[0] < found.bits < found.interval[1]
    assert estimated(-50.0, sample.tolist(), 1000).bits == log2(1000)  # no more than there is


@pytest.mark.parametrize("shape", [-4.0, 0.0, 2.0])
def test_the_tail_of_a_skew_normal_sample_is_that_of_its_distribution(shape):
    draw, delta = np.random.default_rng(1), shape / sqrt(1 + shape**2)
    first, second = draw.normal(size=(2, 400_000))
    sample = delta * np.abs(first) + sqrt(1 - delta**2) * second
    assert skew_normal_tail(0.0, sample) == pytest.approx(0.5 - atan(shape) / pi, abs=0.01)
    for place in (-1.0, 0.7):
        assert skew_normal_tail(place, sample) == pytest.approx(float((sample <= place).mean()), abs=0.01)


def test_a_sample_without_variance_has_no_tail():
    assert skew_normal_tail(1.0, np.full(5, 2.0)) == 0.0
    assert skew_normal_tail(2.0, np.full(5, 2.0)) == 1.0

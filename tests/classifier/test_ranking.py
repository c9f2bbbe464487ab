"""The AUC is the share of pairs in the right order, and its interval DeLong's."""

import random

import numpy as np
import pytest

from lm.classifier.ranking import area_under_curve
from lm.interval import wilson_interval


def pairs(positive, negative) -> float:
    """The definition: of all pairs, those in which the first is above, ties as half."""
    counts = [(one > other) + (one == other) / 2 for one in positive for other in negative]
    return sum(counts) / len(counts)


def test_the_area_is_the_share_of_pairs_in_the_right_order_with_ties_as_half():
    assert area_under_curve([0.9, 0.4], [0.1, 0.5])[0] == 0.75
    assert area_under_curve([0.5], [0.5])[0] == 0.5
    draw = random.Random(0)
    for _ in range(20):
        positive = [draw.randint(0, 9) / 9 for _ in range(draw.randint(1, 30))]
        negative = [draw.randint(0, 7) / 9 for _ in range(draw.randint(1, 30))]
        assert area_under_curve(positive, negative)[0] == pytest.approx(pairs(positive, negative))
        assert area_under_curve(negative, positive)[0] == pytest.approx(1 - pairs(positive, negative))


def test_the_interval_is_that_of_delong_on_the_scale_of_logits():
    positive, negative = [0.9, 0.8, 0.35, 0.6], [0.1, 0.4, 0.7]
    above = [3 / 3, 3 / 3, 1 / 3, 2 / 3]  # the share of the negative ones below each positive one
    below = [4 / 4, 3 / 4, 2 / 4]  # the share of the positive ones above each negative one
    area = 0.75
    variance = np.var(above, ddof=1) / 4 + np.var(below, ddof=1) / 3
    half = 1.959964 * variance**0.5 / (area * (1 - area))
    bounds = [1 / (1 + np.exp(-(np.log(3) + sign * half))) for sign in (-1, 1)]
    assert area_under_curve(positive, negative) == (pytest.approx(area), pytest.approx(tuple(bounds)))


def test_a_perfect_order_of_few_texts_is_not_certain():
    assert area_under_curve([1, 2, 3], [0, 0]) == (1.0, wilson_interval(2, 2))


def test_the_interval_covers_the_truth_about_19_times_of_20():
    draw = np.random.default_rng(0)
    truth = 0.7602  # of normal scores 1 apart: Φ(1 / √2)
    covered = 0
    for _ in range(400):
        low, high = area_under_curve(draw.normal(1, 1, 40), draw.normal(0, 1, 30))[1]
        covered += low <= truth <= high
    assert 0.92 < covered / 400 < 0.98

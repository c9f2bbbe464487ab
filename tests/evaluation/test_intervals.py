"""Intervals cover what they should: shares by Wilson, means by the bootstrap, clusters as a whole."""

import numpy as np
import pytest

from lm.evaluation.intervals import estimate, standard_error


def test_twelve_of_twenty():
    found = estimate([1.0] * 12 + [0.0] * 8, share=True)
    assert found.value == 0.6
    assert found.interval == pytest.approx((0.387, 0.781), abs=5e-4)
    assert found.stderr == pytest.approx(np.std([1] * 12 + [0] * 8, ddof=1) / 20**0.5)


def test_without_clusters_every_item_is_one():
    values = np.random.default_rng(0).normal(size=50)
    assert standard_error(values) == pytest.approx(standard_error(values, range(50)))
    assert standard_error(values) == pytest.approx(values.std(ddof=1) / 50**0.5)


def test_copies_of_an_item_add_nothing():
    values = np.random.default_rng(0).integers(0, 2, 40).astype(float)
    copied, clusters = np.repeat(values, 9), np.repeat(np.arange(40), 9)
    assert standard_error(copied, clusters) == pytest.approx(standard_error(values))
    wide, narrow = estimate(copied, share=True, clusters=clusters), estimate(copied, share=True)
    assert wide.interval == pytest.approx(estimate(values, share=True).interval, abs=0.01)
    assert wide.interval[1] - wide.interval[0] > 2.5 * (narrow.interval[1] - narrow.interval[0])


def test_all_right_has_the_interval_of_as_many_clusters():
    found = estimate([1.0] * 40, share=True, clusters=[n // 10 for n in range(40)])
    assert found.interval == estimate([1.0] * 4, share=True).interval


@pytest.mark.parametrize(("share", "size"), [(True, 1), (False, 1), (True, 5), (False, 5)])
def test_ninety_five_of_a_hundred_intervals_hold_the_truth(share, size):
    draw, held, truth = np.random.default_rng(1), 0, 0.4
    for _ in range(60):
        p = draw.beta(2, 3, 60)  # mean 0.4; each cluster has its own
        values = (draw.random((60, size)) < p[:, None]).astype(float).ravel()
        values = values if share else values + draw.normal(0, 0.1, 60 * size)
        low, high = estimate(values, share=share, clusters=np.repeat(np.arange(60), size).tolist()).interval
        held += low <= truth <= high
    assert 52 <= held <= 60


def test_the_same_values_have_the_same_interval():
    values = [0.5, 1.5, 2.5, 9.0]
    assert estimate(values, share=False) == estimate(values, share=False)

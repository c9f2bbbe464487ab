"""Paired differences: narrower than two intervals, exact for shares, with the power that simulation confirms."""

import numpy as np
import pytest

from lm.evaluation.comparison import compare, mcnemar, paired


def test_the_difference_of_two_models_on_four_items():
    found = compare([1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0])
    assert (found.first, found.second, found.difference) == (0.5, 0.75, 0.25)
    assert found.stderr == pytest.approx(0.25)  # of differences 0, 1, 0, 0: standard deviation 0.5 / √4
    assert found.interval == pytest.approx((0.25 - 1.959964 * 0.25, 0.25 + 1.959964 * 0.25))
    assert found.p == 1.0
    assert found.visible == pytest.approx(2.80159 * 0.25, rel=1e-4)
    assert found.needed == round(4 * 2.80159**2)


def test_the_exact_test_of_mcnemar():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(6, 0) == pytest.approx(2 / 64)
    assert mcnemar(1, 8) == mcnemar(8, 1) == pytest.approx(2 * (1 + 9) / 2**9)


def test_equal_models_differ_in_nothing():
    found = compare([1.0, 0.0, 0.5], [1.0, 0.0, 0.5])
    assert (found.difference, found.interval, found.p, found.needed) == (0.0, (0.0, 0.0), 1.0, None)


def test_pairing_narrows_the_interval_by_the_correlation():
    draw = np.random.default_rng(0)
    shared = draw.normal(size=400)
    one, two = shared + draw.normal(0, 0.3, 400), shared + draw.normal(0, 0.3, 400) + 0.1
    found = compare(one.tolist(), two.tolist())
    unpaired = np.sqrt(one.var(ddof=1) / 400 + two.var(ddof=1) / 400)
    assert found.correlation == pytest.approx(np.corrcoef(one, two)[0, 1])
    assert found.stderr < 0.45 * unpaired


def test_items_of_one_cluster_count_as_one():
    one, two = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    clusters = list("abcdef")
    plain = compare(one, two)
    assert compare(one * 5, two * 5, clusters=clusters * 5).stderr == pytest.approx(plain.stderr)
    assert compare(one * 5, two * 5).stderr < 0.5 * plain.stderr


def test_the_power_is_how_often_simulated_studies_see_the_difference():
    draw, seen = np.random.default_rng(2), 0
    for _ in range(300):
        differences = draw.normal(0.2, 1.0, 100)
        found = compare([0.0] * 100, differences.tolist())
        seen += found.p < 0.05
    exact = compare([0.0] * 100, (0.2 + np.tile([1.0, -1.0], 50) * np.sqrt(99 / 100)).tolist()).power
    assert exact == pytest.approx(0.516, abs=0.001)  # of a normal shifted by 2 standard errors
    assert seen / 300 == pytest.approx(exact, abs=0.08)


def test_items_are_paired_by_their_ids():
    first = [{"id": "a", "values": {"m": 1.0}}, {"id": "b", "values": {"m": 2.0}}, {"id": "c", "values": {"m": 3.0}}]
    second = [{"id": "c", "values": {"m": 30.0}}, {"id": "a", "values": {"m": 10.0}}]
    assert paired(first, second, "m") == ([1.0, 3.0], [10.0, 30.0], None)
    clustered = [{**each, "cluster": "x"} for each in first]
    assert paired(clustered, second, "m")[2] == ["x", "x"]

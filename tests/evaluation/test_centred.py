"""The mean of several benchmarks is of what they have above chance."""

import pytest

from lm.evaluation.centred import centred_mean


def result(value: float, chance: float | None, stderr: float = 0.03, share: bool = True) -> dict:
    centred = (value - (chance or 0)) / (1 - (chance or 0)) if share else None
    return {"main": "m", "metrics": {"m": {"value": value, "chance": chance, "stderr": stderr, "centred": centred}}}


def test_scores_are_centred_by_their_chance():
    found = centred_mean({"a": result(0.4, 0.25), "b": result(0.5, 0.5), "c": result(0.3, None)})
    assert found["tasks"] == pytest.approx({"a": 0.2, "b": 0.0, "c": 0.3})
    assert found["value"] == pytest.approx(0.5 / 3)
    half = 1.959964 * (0.04**2 + 0.06**2 + 0.03**2) ** 0.5 / 3
    assert found["interval"] == pytest.approx([0.5 / 3 - half, 0.5 / 3 + half])


def test_other_evaluations_and_single_ones_have_no_mean():
    assert centred_mean({"a": result(0.4, 0.25), "bits": {"prose": {"model": 1.2}}}) is None
    assert centred_mean({"a": result(0.4, 0.25), "b": result(3.0, None, share=False)}) is None

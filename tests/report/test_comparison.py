"""A comparison has paired differences with intervals over the seeds, and says plainly where there is no effect."""

import pytest

from lm.report import compare, comparison_table, confidence_interval, curve_table, value_at
from lm.report.comparison import comparison_sections

BEFORE = {"right": [0.5, 0.6, 0.55], "length": [6.0, 7.0, 6.5]}
AFTER = {"right": [0.9, 1.0, 0.98], "length": [6.5, 6.5, 6.6], "kl": [1.0, 1.1, 1.2]}


def test_a_number_is_found_at_its_place_even_if_keys_have_dots_or_slashes():
    results = {"rewards": {"all": {"pass_at": {"1": 0.5}}}, "validation/reward/mean": 2, "a.b": {"c": 3}, "text": "x"}
    assert value_at(results, "rewards.all.pass_at.1") == 0.5
    assert value_at(results, "validation/reward/mean") == 2
    assert value_at(results, "a.b.c") == 3
    for missing in ("rewards.all", "rewards.some.pass_at", "text", "a", "nothing"):
        assert value_at(results, missing) is None


def test_differences_are_paired_by_seed_and_verdicts_follow_from_their_interval():
    expected = {"after": {"right": "higher", "length": "lower", "kl": "higher"}}
    found = compare({"before": BEFORE, "after": AFTER}, expected)
    exact = confidence_interval([0.4, 0.4, 0.43])
    for key in ("mean", "half_width"):
        assert found["differences"]["after"]["right"][key] == pytest.approx(exact[key])
    assert [verdict["outcome"] for verdict in found["verdicts"]] == ["as expected", "no clear effect", "not measured"]
    opposite = compare({"before": BEFORE, "after": AFTER}, {"after": {"right": "lower"}})
    assert opposite["verdicts"][0]["outcome"] == "the opposite"
    assert opposite["verdicts"][0]["seeds"] == 0


def test_one_seed_and_no_change_are_no_effect():
    alone = compare({"a": {"x": [1.0]}, "b": {"x": [2.0]}}, {"b": {"x": "higher"}})
    assert alone["verdicts"][0]["outcome"] == "one seed says nothing"
    assert "one seed: no interval" in comparison_table(alone)
    same = compare({"a": {"x": [1.0, 2.0]}, "b": {"x": [1.0, 2.0]}}, {"b": {"x": "higher"}})
    assert same["verdicts"][0]["outcome"] == "no clear effect"


def test_the_table_has_a_row_per_metric_and_a_line_per_expectation():
    found = compare({"before": BEFORE, "after": AFTER}, {"after": {"right": "higher", "kl": "higher"}})
    lines = comparison_table(found).splitlines()
    assert lines[0].split() == ["before", "after"]
    assert [line.split()[0] for line in lines[1:4]] == ["right", "length", "kl"]
    assert "± is the 95 % interval of the mean over 3 seeds" in lines
    assert "as expected: right higher in after than in before: +0.410 ± 0.043, in 3 of 3 seeds" in lines
    assert "not measured: kl higher in after than in before" in lines


def test_curves_have_a_row_per_step_in_order():
    lines = curve_table({"reward": {"10": [0.5, 0.7], "5": [0.1, 0.3]}, "length": {"10": [4.0]}}).splitlines()
    assert [line.split() for line in lines] == [["step", "reward", "length"], ["5", "0.200"], ["10", "0.600", "4.000"]]


def test_the_page_has_every_metric_of_every_column_the_verdicts_and_the_curves():
    measured = {"before": {"loss": [2.0, 2.1]}, "after": {"loss": [1.0, 1.2], "other": [1.0, 1.0]}}
    found = compare(measured, {"after": {"loss": "lower"}})
    found["curves"] = {"pretrain": {"train/loss": {"10": [3.0, 4.0], "2": [5.0, 5.0]}}}
    sections, (drawn,) = comparison_sections(found, first=1)
    html = {section.title: section.html for section in sections}
    assert "as expected: loss lower in after than in before" in html["What came out"]
    assert html["Stages"].count("class='dot' style") == 3
    assert drawn["curves"][0] == {
        "label": "pretrain", "steps": [2, 10], "values": [5.0, 3.5], "low": [5.0, 3.0], "high": [5.0, 4.0],
    }  # fmt: skip
    bare = {section.title: section.html for section in comparison_sections(compare(measured, {}))[0]}
    assert (bare["What came out"], bare["Over the steps"]) == ("", "")

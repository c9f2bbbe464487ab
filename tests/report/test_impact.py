"""Recipes are compared at the best learning rate of each and at every single one, paired by seed, in plain words."""

import pytest

from lm.report import compare_arms, impact_sections, impact_tables, impact_words

# At the best rates (0.2 of a, 0.1 of b, 0.1 of c): b − a is −0.1 for every seed, c − a is −0.1, 0.1, 0.3.
LOSS = {
    "a": {"0.1": [1.0, 1.1, 1.2], "0.2": [0.9, 1.0, 1.1]},
    "b": {"0.1": [0.8, 0.9, 1.0], "0.2": [0.95, 1.0, 1.2]},
    "c": {"0.1": [0.8, 1.1, 1.4], "0.2": [1.2, 1.3, 1.4]},
}
MEASURED = {
    arm: {rate: {"loss": values, "copy": [1.0, 2.0, 3.0]} for rate, values in of_rate.items()}
    for arm, of_rate in LOSS.items()
}
EXPECTED = {"b": {"loss": "lower"}, "c": {"loss": "lower", "copy": "higher"}}


def result(**changed):
    return compare_arms({**MEASURED, **changed}, EXPECTED, best_by={"loss": "lower"})


def test_each_arm_takes_its_best_rate_and_differences_are_paired_by_seed():
    found = result()
    assert found["best_rates"] == {"a": "0.2", "b": "0.1", "c": "0.1"}
    assert found["best"]["differences"]["b"]["loss"]["values"] == pytest.approx([-0.1, -0.1, -0.1])
    difference = found["best"]["differences"]["c"]["loss"]
    assert difference["mean"] == pytest.approx(0.1)
    assert difference["half_width"] == pytest.approx(4.303 * 0.2 / 3**0.5)  # t of 2 degrees of freedom
    assert [each["outcome"] for each in found["best"]["verdicts"]] == [
        "as expected",
        "no clear effect",
        "no clear effect",
    ]


def test_a_single_rate_may_say_something_else_and_the_words_say_so():
    found = result()
    at = found["single"]["0.2"]["differences"]["b"]["loss"]
    assert at["mean"] == pytest.approx(0.05)
    assert at["half_width"] == pytest.approx(4.303 * 0.05 / 3**0.5)
    words = impact_words(found)
    assert (
        "Expected loss lower in b than in a: -0.100 ± 0.000, as expected; at 0.1 as expected, 0.2 no clear effect."
        in words
    )
    assert "Expected copy higher in c than in a: +0.000 ± 0.000, no clear effect, so at every single rate." in words
    assert "Of 3 expectations 1 as expected, 0 the opposite, 2 no clear effect." in words
    assert "over 3 seeds (Student's t), 2.5 standard deviations" in words


def test_the_best_may_be_the_highest_and_rates_that_tie_take_the_first():
    found = compare_arms(MEASURED, {}, best_by={"loss": "higher"})
    assert found["best_rates"] == {"a": "0.1", "b": "0.2", "c": "0.2"}
    assert compare_arms(MEASURED, {}, best_by={"copy": "higher"})["best_rates"] == dict.fromkeys("abc", "0.1")


def test_the_order_says_which_neighbours_differ_clearly():
    found = result()
    assert found["orders"]["loss"] == "b < a ≈ c"
    assert found["orders"]["copy"] == "a ≈ b ≈ c"


def test_the_order_at_a_rate_is_correlated_with_that_at_the_best_rates():
    found = result()
    assert found["agreement"]["loss"] == pytest.approx({"0.1": 0.5 * 3**0.5, "0.2": 0.5})
    assert found["agreement"]["copy"] == {"0.1": None, "0.2": None}  # all equal: no order
    assert "loss: 0.87 at 0.1, 0.50 at 0.2." in impact_words(found)


def test_the_tables_have_every_arm_at_its_best_rate_and_at_each():
    first, single = impact_tables(result())
    assert "1.000 ± 0.248" in first
    assert first.splitlines()[-1] == "best learning rate: a 0.2, b 0.1, c 0.1 (lower loss)"
    rows = [line.split("  ")[0] for line in single.splitlines()]
    assert rows == ["at a single rate", "loss, 0.1", "loss, 0.2", "copy, 0.1", "copy, 0.2"]


def test_a_study_of_one_rate_has_one_table_and_one_seed_decides_nothing():
    measured = {"a": {"": {"loss": [1.0]}}, "b": {"": {"loss": [2.0]}}}
    found = compare_arms(measured, {"b": {"loss": "higher"}}, best_by={})
    assert len(impact_tables(found)) == 1
    words = impact_words(found)
    assert "Expected loss higher in b than in a: +1.000, one seed says nothing." in words
    assert "nothing is decided" in words


def test_arms_at_different_rates_are_said_to_differ_by_the_rate_alone_perhaps():
    line = "The arms take different rates: any metric but loss may differ by the rate alone; see the single rates."
    assert line in impact_words(result())
    assert line not in impact_words(compare_arms(MEASURED, {}, best_by={"copy": "higher"}))


def test_a_metric_of_one_value_in_every_run_is_said_to_show_nothing():
    measured = {arm: {"": {"loss": [1.0, 2.0], "copied": [0.0, 0.0]}} for arm in "ab"}
    words = impact_words(compare_arms(measured, {}, best_by={}))
    assert "copied is 0 in every run: this study is too small to move it." in words
    assert "loss is" not in words


def test_the_page_has_expectations_as_a_table_and_the_best_rates():
    page = "".join(section.html for section in impact_sections(result())[0])
    assert "than a by" in page
    assert "0.1 as expected, 0.2 no clear effect" in page
    assert "best learning rate: a 0.2, b 0.1, c 0.1 (lower loss)" in page


def test_the_page_has_words_every_recipe_and_its_curve_over_the_learning_rates():
    found = result()
    sections, drawn = impact_sections(found, first=2)
    html = {section.title: section.html for section in sections}
    assert "as expected" in html["What came out"]
    assert html["Each recipe at its best learning rate"].count("class='dot' style") == len(found["arms"]) * len(
        found["best"]["metrics"]
    )
    assert 'data-chart="2"' in html["At every learning rate"]
    assert [chart["title"] for chart in drawn] == [*found["best"]["metrics"]]
    first, *_ = drawn[0]["curves"]
    rates = sorted(found["rates"], key=float)
    assert first["steps"] == [float(rate) for rate in rates]
    cells = [found["single"][rate]["metrics"][drawn[0]["title"]][first["label"]] for rate in rates]
    assert first["low"] == [min(cell["values"]) for cell in cells]
    assert first["values"] == pytest.approx([cell["mean"] for cell in cells])

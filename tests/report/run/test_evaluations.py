"""Plots of evaluations: scores with intervals and baselines, calibration, loss by position, the table below."""

from pathlib import Path
from typing import Any

from lm.report.run import run_page
from lm.report.run.evaluations import curves_of, evaluations, score_groups
from lm.report.run.facts import RunFacts
from lm.report.run.sections import head
from support.reported_evaluations import ANSWERS, BITS, TASK, TEXT, make_evaluation


def shown(results: dict[str, Any]) -> dict[str, list[str]]:
    return {title: [row.name for row in rows] for (title, _), rows in score_groups(results).items()}


def test_scores_of_a_task_stand_beside_chance_and_a_constant_answer_and_groups_by_themselves():
    assert shown(TASK) == {"scores": ["accuracy"], "gold bits": ["gold bits"], "scores, by kind": ["age"]}
    (accuracy,) = score_groups(TASK)["scores", True]
    assert (accuracy.low, accuracy.marks) == (0.48, {"chance": 0.5, "constant answer": 0.55})
    (age,) = score_groups(TASK)["scores, by kind", True]
    assert age.low is None, "one item has no interval"


def test_bits_per_byte_stand_by_what_divides_the_text_and_beside_compressors():
    assert shown(TEXT) == {"bits per byte": ["all"], "bits per byte, by source": ["a", "b"]}
    assert shown(BITS) == {"bits per byte": ["code", "prose"]}
    assert score_groups(BITS)["bits per byte", False][0].marks == {"xz": 1.8, "gzip": 2.0}


def test_an_interval_is_that_of_the_number_that_lies_in_it():
    assert shown(ANSWERS) == {"replies that are right word for word": ["all"]}


def test_calibration_and_loss_by_position_are_curves_with_axes_of_their_own():
    calibration, position = curves_of(TEXT)
    assert calibration["curves"][1] == {
        "label": "measured", "steps": [0.2, 0.9], "values": [0.1, 0.8],
    }  # fmt: skip
    assert (position["axis"], position["log_x"]) == ("tokens before it", 10)
    assert position["curves"][0]["steps"] == [1, 2]
    assert [*curves_of(TASK)] == []


def test_the_page_has_plots_numbers_and_the_table_of_each_evaluation(tmp_path: Path):
    directory = make_evaluation(tmp_path, copa=TASK, text=TEXT, other={"note": "nothing to plot"})
    html, drawn = evaluations(RunFacts(directory), first=3)
    assert [chart["title"].split(" ")[0] for chart in drawn] == ["calibration:", "loss"]
    assert 'data-chart="3"' in html
    assert 'data-chart="4"' in html
    assert "table of other &lt;/pre&gt;" in html
    assert html.count("<details><summary>table") == 2
    assert "<b>58.0%</b><span>copa</span>" in head(RunFacts(directory))
    page = run_page(directory)
    assert '"axis":"tokens before it"' in page
    assert page == run_page(directory)


def test_results_that_are_damaged_leave_the_table(tmp_path: Path):
    directory = make_evaluation(tmp_path, copa=TASK)
    for content in ("{", "[]", '{"results": 3}', '{"results": {"metrics": {"a": {"interval": [1]}}}}'):
        (directory / "evaluations" / "copa.json").write_text(content)
        assert "table of copa" in run_page(directory)

"""A finished study has what it found on its page; other runs do not."""

from pathlib import Path

from lm.report import compare, compare_arms
from lm.report.run import run_page
from lm.report.run.facts import RunFacts
from lm.report.run.studies import study_sections
from support.reported_evaluations import make_study
from support.reported_runs import make_run


def test_a_study_with_recipes_and_one_without_have_their_sections_before_the_run(tmp_path: Path):
    arms = {arm: {"": {"loss": [1.0, 1.1]}} for arm in ("a", "b")}
    page = run_page(make_study(tmp_path / "arms", **compare_arms(arms, {"b": {"loss": "lower"}}, best_by={})))
    assert page.index("than a by") < page.index('<h2 id="run-title"')
    stages = {"a": {"loss": [1.0]}, "b": {"loss": [2.0]}}
    page = run_page(make_study(tmp_path / "stages", **compare(stages, {}), curves={}))
    assert ">Stages</h2>" in page
    assert "What came out" not in page


def test_a_run_that_compares_nothing_has_none(tmp_path: Path):
    assert study_sections(RunFacts(make_run("a", root=tmp_path)), first=0) == ([], [])

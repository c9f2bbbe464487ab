"""Each section shows what its run has."""

from pathlib import Path

from lm.report.run.facts import RunFacts
from lm.report.run.sections import curves, evaluations, execution, head, samples
from support.reported_runs import make_run


def test_the_head_has_the_numbers_people_ask_for_first(tmp_path: Path):
    html = head(RunFacts(make_run("a", root=tmp_path)))
    assert "<b>2</b><span>bits per byte</span>" in html
    assert "<b>20.5 k</b><span>tokens</span>" in html


def test_every_chart_has_its_numbers_as_a_table(tmp_path: Path):
    html, data = curves(RunFacts(make_run("a", root=tmp_path)))
    assert html.count("<figure") == html.count("<summary>numbers</summary>") == len(data["charts"]) == 3
    assert data["tokens_per_step"] == 512


def test_the_last_samples_are_there_without_a_script(tmp_path: Path):
    html, shown = samples(RunFacts(make_run("a", root=tmp_path)))
    assert "text of step 40 &lt;/script&gt;" in html
    assert 'max="1"' in html
    assert len(shown) == 2


def test_differences_from_the_defaults_are_a_table(tmp_path: Path):
    facts = RunFacts(make_run("a", root=tmp_path))
    assert "<td class='text'>model.dim</td><td class='text'>64</td><td class='text'>192</td>" in execution(
        facts, {"model.dim": ("192", "64")}
    )
    assert "Nothing differs" in execution(facts, {})


def test_a_run_without_evaluations_has_no_section_of_them(tmp_path: Path):
    assert evaluations(RunFacts(make_run("a", root=tmp_path))) == ""

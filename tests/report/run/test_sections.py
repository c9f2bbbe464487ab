"""Each section shows what its run has."""

from pathlib import Path

from lm.directory import Run
from lm.report.run.evaluations import evaluations
from lm.report.run.facts import RunFacts
from lm.report.run.sections import curves, execution, head, samples
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
    assert evaluations(RunFacts(make_run("a", root=tmp_path)), first=0) == ("", [])


def test_the_share_of_the_peak_and_the_cost_follow_from_what_the_run_noted(tmp_path: Path):
    run = Run("pretrain", name="a", root=str(tmp_path))
    run.open({"prices": {"here": 1.5}})
    run.finished({})
    run.note(devices=2, flops_per_token=1e6, peak_flops=1e9, peak_source="1 GFLOP/s (measured)")
    (run.directory / "metrics.csv").write_text("step,train/tokens_per_second\n1,100\n2,200\n3,400\n")
    run.finish(outputs=[run.directory / "metrics.csv"], result={})
    run.close()
    run._manifest["executions"][0]["seconds"] = 7200
    run._write("manifest.json", run._manifest)
    facts = RunFacts(run.directory)
    assert facts.share_of_peak == ([1, 2, 3], [0.05, 0.1, 0.2])
    assert facts.device_hours == 4
    html = head(facts)
    assert "<b>10%</b><span>of the machine&#x27;s peak</span>" in html
    assert "<b>6</b><span>cost, at 1.5 an hour</span>" in html
    assert "<b>10</b><span>cost, at 2.5 an hour</span>" in head(facts, price=2.5)
    assert "share of the machine" in str(curves(facts)[1])
    assert "2 × 1 GFLOP/s (measured); 1.00 M FLOPs per token" in execution(facts, None)


def test_a_run_that_noted_no_peak_and_no_price_has_neither(tmp_path: Path):
    html = head(RunFacts(make_run("a", root=tmp_path)))
    assert "peak" not in html
    assert "cost" not in html

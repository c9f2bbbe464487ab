"""Runs side by side: seeds are averaged, settings that differ are named."""

import json
import re
from pathlib import Path

from lm.report.run import comparison_page, write_sweep_page
from lm.report.run.comparison_page import grouped
from lm.report.run.facts import RunFacts
from support.reported_runs import make_run


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="page-data">(.*?)</script>', page, re.DOTALL)[1])


def test_runs_that_differ_in_their_seed_alone_are_one_curve_with_a_band(tmp_path: Path):
    runs = [make_run(f"s{seed}", root=tmp_path, seed=seed, loss=4.0 + seed) for seed in range(3)]
    assert {name: len(of) for name, of in grouped([RunFacts(run) for run in runs]).items()} == {
        "pretrain/s0 (3 seeds)": 3
    }
    (curve,) = data_of(comparison_page(runs))["charts"][0]["curves"]
    assert (curve["low"][-1], curve["values"][-1], curve["high"][-1]) == (4.0, 5.0, 6.0)
    assert "differ in their seed alone" in comparison_page(runs)


def test_settings_that_differ_are_a_table(tmp_path: Path):
    page = comparison_page(
        [make_run("wide", root=tmp_path, model={"dim": 256}), make_run("narrow", root=tmp_path, model={"dim": 128})]
    )
    assert re.search(r"<td class='text'>model.dim</td><td class='text'>256</td><td class='text'>128</td>", page)
    assert [curve["label"] for curve in data_of(page)["charts"][0]["curves"]] == ["pretrain/wide", "pretrain/narrow"]


def test_results_of_seeds_have_an_interval(tmp_path: Path):
    runs = [make_run(f"s{seed}", root=tmp_path, seed=seed, loss=4.0 + seed) for seed in range(3)]
    assert re.search(r"<td>5.0000 ± 2.484\d</td>", comparison_page(runs))  # Student's t with 2 degrees of freedom


def test_a_sweep_of_one_run_has_no_page(tmp_path: Path):
    run = make_run("a", root=tmp_path)
    write_sweep_page(tmp_path, [str(run), str(run), "", str(tmp_path / "missing")])
    assert not (tmp_path / "summary.html").exists()
    write_sweep_page(tmp_path, [str(run), str(make_run("b", root=tmp_path, lr=1))])
    assert (tmp_path / "summary.html").exists()

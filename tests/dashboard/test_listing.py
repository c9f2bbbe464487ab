"""The list of runs follows the directory."""

import json
import time
from pathlib import Path

from lm.dashboard import listing
from lm.dashboard.listing import Listing
from lm.sweep.job import Job, write_job
from support.reported_runs import make_corpus_run, make_run


def rows_of(root: Path) -> dict[str, dict]:
    return {row["place"]: row for row in Listing(root).rows()}


def test_a_row_has_the_state_the_metric_and_the_curve(tmp_path: Path):
    make_run("a", root=tmp_path)
    make_run("b", root=tmp_path, finish=False)
    make_corpus_run("text", root=tmp_path)
    rows = rows_of(tmp_path)
    assert {place: row["state"] for place, row in rows.items()} == {
        "corpus/text": "complete", "pretrain/a": "complete", "pretrain/b": "interrupted",
    }  # fmt: skip
    assert (rows["pretrain/a"]["step"], rows["pretrain/a"]["loss"]) == (40, 4.0)
    assert rows["pretrain/a"]["metric"] == "2 bits_per_byte"
    assert "curve" not in rows["corpus/text"]
    json.dumps(rows, allow_nan=False)


def test_a_job_of_a_sweep_that_has_not_begun_is_queued(tmp_path: Path):
    begun = make_run("sweep/x=1", root=tmp_path)
    for number, directory in enumerate([begun, tmp_path / "pretrain" / "sweep" / "x=2", tmp_path.parent / "elsewhere"]):
        write_job(Job(f"x={number}", [], str(directory), {}), tmp_path / "pretrain" / "sweep" / f"{number}.json")
    queued = [place for place, row in rows_of(tmp_path).items() if row["state"] == "queued"]
    assert queued == ["pretrain/sweep/x=2"]


def test_curves_grow_with_their_files(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(listing, "FRESH", 0.0)
    directory, runs = make_run("a", root=tmp_path, finish=False), Listing(tmp_path)
    assert runs.rows()[0]["step"] == 40
    with open(directory / "metrics.csv", "a") as file:
        file.write("50,1.5,0.1,25600,,\n")
    assert (runs.rows()[0]["step"], runs.rows()[0]["loss"]) == (50, 1.5)


def test_only_runs_of_the_list_have_a_directory(tmp_path: Path):
    make_run("a", root=tmp_path / "outputs")
    make_run("secret", root=tmp_path)
    runs = Listing(tmp_path / "outputs")
    assert runs.directory("pretrain/a") == tmp_path / "outputs" / "pretrain" / "a"
    for place in ("../pretrain/secret", "pretrain", "pretrain/b", "", "/etc"):
        assert runs.directory(place) is None


def test_an_empty_directory_and_a_missing_one_have_no_runs(tmp_path: Path):
    assert rows_of(tmp_path) == rows_of(tmp_path / "missing") == {}


def test_a_list_is_read_once_for_many_that_ask(tmp_path: Path, monkeypatch):
    make_run("a", root=tmp_path)
    asked = []
    monkeypatch.setattr(listing, "catalogue", lambda root: asked.append(time.monotonic()) or [])
    runs = Listing(tmp_path)
    runs.rows(), runs.rows(), runs.rows()
    assert len(asked) == 1

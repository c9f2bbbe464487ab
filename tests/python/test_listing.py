"""Runs are listed as values that print as a table."""

from pathlib import Path

import lm
from support.reported_runs import make_corpus_run, make_run


def test_runs_are_values(tmp_path: Path):
    make_run("a", root=tmp_path)
    make_corpus_run("text", root=tmp_path)
    listed = lm.runs(tmp_path)
    assert [(run.place, run.state, run.value) for run in listed] == [
        ("corpus/text", "complete", None), ("pretrain/a", "complete", 2.0),
    ]  # fmt: skip
    assert listed[1].manifest["result"]["tokens"] == 20480
    assert [run.place for run in lm.runs(tmp_path, only="pretrain/*")] == ["pretrain/a"]


def test_they_print_as_a_table(tmp_path: Path):
    make_run("a", root=tmp_path)
    assert "pretrain/a  complete" in repr(lm.runs(tmp_path))
    assert repr(lm.runs(tmp_path / "nothing")) == "no runs"

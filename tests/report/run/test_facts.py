"""A run directory is read as it lies there, damaged files too."""

from pathlib import Path

import pytest

from lm.report.run.facts import RunFacts
from support.reported_runs import make_corpus_run, make_run


def test_metrics_are_points_by_name_without_gaps(tmp_path: Path):
    metrics = RunFacts(make_run("a", root=tmp_path)).metrics
    assert metrics["train/loss"][0] == [*range(1, 41)]
    assert metrics["train/loss"][1][-1] == 4.0
    assert metrics["validation/bits_per_byte/code"] == ([20, 40], [4 / 3, 4 / 3])


def test_what_a_power_cut_left_of_the_metrics_is_read(tmp_path: Path):
    directory = make_run("a", root=tmp_path)
    with open(directory / "metrics.csv", "ab") as file:
        file.write(b"41,nan,inf,x,,\n42,5.0\n\0\0\0\n4")
    steps, values = RunFacts(directory).metrics["train/loss"]
    assert (steps[-1], values[-1]) == (42, 5.0)
    assert max(RunFacts(directory).metrics["train/tokens"][0]) == 40


def test_samples_are_grouped_by_step(tmp_path: Path):
    samples = RunFacts(make_run("a", root=tmp_path)).samples
    assert [step for step, _ in samples] == [20, 40]
    assert samples[1][1] == ["text of step 40 </script><b>"]


def test_a_directory_without_a_manifest_is_no_run(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="is not a run"):
        _ = RunFacts(tmp_path).manifest


def test_a_damaged_record_counts_as_absent(tmp_path: Path):
    directory = make_corpus_run("a", root=tmp_path)
    assert RunFacts(directory).funnel
    (directory / "funnel.json").write_text("{")
    assert RunFacts(directory).funnel == []

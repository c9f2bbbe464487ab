"""metrics.csv holds every logged row once, however often the run was killed and resumed."""

import csv

import pytest
from lightning.pytorch.utilities import rank_zero_only

from lm.callbacks import MetricsFile


def log(directory, *rows: tuple[int, dict]) -> None:
    """Log the rows as one process does, from start to end."""
    file = MetricsFile(str(directory))
    for step, metrics in rows:
        file.log_metrics(metrics, step=step)


def logged(directory) -> list[dict[str, str]]:
    with open(directory / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_appended_across_resumes(tmp_path):
    log(tmp_path, (1, {"loss": 0.1}), (2, {"loss": 0.2}))
    log(tmp_path, (3, {"loss": 0.3}))
    log(tmp_path, (4, {"loss": 0.4}))
    assert [(row["step"], row["loss"]) for row in logged(tmp_path)] == [(str(n), f"0.{n}") for n in (1, 2, 3, 4)]


def test_rows_beyond_the_resume_point_are_removed(tmp_path):
    log(tmp_path, *[(step, {"loss": step / 10}) for step in range(1, 9)])
    log(tmp_path, (5, {"loss": 50.5}), (6, {"loss": 60.5}))
    assert [row["loss"] for row in logged(tmp_path)] == ["0.1", "0.2", "0.3", "0.4", "50.5", "60.5"]


def test_two_rows_of_one_step_both_stay(tmp_path):
    log(tmp_path, (1, {"loss": 0.1}), (1, {"bits": 0.5}), (2, {"loss": 0.2}))
    log(tmp_path, (3, {"loss": 0.3}), (3, {"bits": 0.7}))
    assert [row["step"] for row in logged(tmp_path)] == ["1", "1", "2", "3", "3"]


def test_a_new_metric_adds_a_column_and_keeps_the_earlier_rows(tmp_path):
    log(tmp_path, (1, {"loss": 0.1}))
    log(tmp_path, (2, {"bits": 0.5}), (3, {"loss": 0.3, "bits": 0.4}))
    assert logged(tmp_path) == [
        {"step": "1", "loss": "0.1", "bits": ""},
        {"step": "2", "loss": "", "bits": "0.5"},
        {"step": "3", "loss": "0.3", "bits": "0.4"},
    ]


@pytest.mark.parametrize("length", range(1, len("12,0.125\n")))
def test_half_a_row_of_a_killed_writer_is_removed(length, tmp_path):
    log(tmp_path, (10, {"loss": 0.5}), (11, {"loss": 0.25}), (12, {"loss": 0.125}))
    whole = (tmp_path / "metrics.csv").read_text()
    (tmp_path / "metrics.csv").write_text(whole[: -len("12,0.125\n")] + "12,0.125\n"[:length])
    log(tmp_path, (13, {"loss": 0.0625}))
    assert [(row["step"], row["loss"]) for row in logged(tmp_path)] == [
        ("10", "0.5"),
        ("11", "0.25"),
        ("13", "0.0625"),
    ]


def test_only_the_first_rank_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    log(tmp_path, (1, {"loss": 0.1}))
    assert not (tmp_path / "metrics.csv").exists()

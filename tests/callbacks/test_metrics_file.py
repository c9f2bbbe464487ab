"""metrics.csv holds every logged row once, however often the run was killed and resumed."""

import csv
import json
import re

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


HEADER, ROWS = b"step,loss\n", [b"%d,0.%d\n" % (step, step) for step in range(1, 7)]


def spoiled(directory, content: bytes) -> None:
    (directory / "metrics.csv").write_bytes(content)


@pytest.mark.parametrize(
    ("content", "steps", "message"),
    [
        (b"".join(ROWS[:3]) + b"\0" * 4096, "123", "its end was NUL bytes"),
        (b"".join(ROWS[:3]) + b"\0" * 40 + b"\n", "123", "its end was NUL bytes"),
        (b"".join(ROWS[:3]) + b"4,0.", "123", "its last line was torn"),
        (ROWS[0] + b"2,\xff\xfe\n" + ROWS[2], "13", r"1 unreadable lines \(3\)"),
        (ROWS[0] + b"\0" * 7 + ROWS[1] + ROWS[2], "13", r"1 unreadable lines \(3\)"),
        (ROWS[0] + b"2\n" + b"two,0.2\n" + ROWS[2], "13", r"2 unreadable lines \(3, 4\)"),
    ],
)
def test_damage_is_reported_by_file_and_what_can_be_read_stays(content, steps, message, tmp_path, capsys):
    spoiled(tmp_path, HEADER + content)
    log(tmp_path, (7, {"loss": 0.7}))
    assert [row["step"] for row in logged(tmp_path)] == [*steps, "7"]
    assert (tmp_path / "metrics.csv").read_text().count("\0") == 0
    message = rf"note: {tmp_path}/metrics\.csv: .*{message}.*; the run continues with the rows that are left"
    assert re.search(message, capsys.readouterr().err)
    assert (tmp_path / "metrics.damaged.csv").exists() == ("unreadable" in message)


def test_a_file_without_a_readable_header_is_kept_and_begun_again(tmp_path, capsys):
    content = "step,loss\n1,0.5\n".encode("utf-16")
    spoiled(tmp_path, content)
    log(tmp_path, (2, {"loss": 0.2}))
    assert [row["step"] for row in logged(tmp_path)] == ["2"]
    assert (tmp_path / "metrics.damaged.csv").read_bytes() == content
    assert "metrics.csv" in capsys.readouterr().err


def test_whole_rows_are_resumed_without_a_word_and_without_a_change(tmp_path, capsys):
    log(tmp_path, (1, {"loss": 0.1}), (2, {"loss": 0.2}))
    before = (tmp_path / "metrics.csv").stat()
    MetricsFile(str(tmp_path)).resume(2)
    assert (tmp_path / "metrics.csv").stat().st_mtime_ns == before.st_mtime_ns
    assert capsys.readouterr().err == ""


def test_rows_that_were_on_disk_with_a_checkpoint_and_are_gone_are_counted_once(tmp_path, capsys):
    file = MetricsFile(str(tmp_path))
    for step in range(1, 7):
        file.log_metrics({"loss": step / 10}, step=step)
        if step == 4:
            file.syncing(step)()
    spoiled(tmp_path, HEADER + ROWS[0] + ROWS[3] + ROWS[4])
    for lost in ("2 rows of earlier steps are lost; it is kept as metrics.damaged.csv", ""):
        log(tmp_path, (5, {"loss": 0.5}))
        assert [row["step"] for row in logged(tmp_path)] == ["1", "4", "5"]
        message = capsys.readouterr().err
        assert lost in message
        assert bool(message) == bool(lost)


def test_a_lost_file_is_reported_and_rows_beyond_the_checkpoint_are_not_missed(tmp_path, capsys):
    file = MetricsFile(str(tmp_path))
    file.log_metrics({"loss": 0.1}, step=1)
    file.syncing(1)()
    file.log_metrics({"loss": 0.2}, step=2)
    spoiled(tmp_path, HEADER + ROWS[0])
    log(tmp_path, (2, {"loss": 0.2}))
    assert capsys.readouterr().err == ""
    (tmp_path / "metrics.csv").unlink()
    log(tmp_path, (3, {"loss": 0.3}))
    assert "1 rows of earlier steps are lost" in capsys.readouterr().err


def test_syncing_waits_for_the_rows_before_it_counts_them(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("lm.callbacks.metrics_file.sync", lambda path: synced.append((path.name, path.read_text())))
    file = MetricsFile(str(tmp_path))
    file.log_metrics({"loss": 0.5}, step=3)
    file.syncing(3)()
    assert synced == [("metrics.csv", "step,loss\n3,0.5\n")]
    assert json.loads((tmp_path / ".metrics.json").read_text()) == {"step": 3, "rows": 1}

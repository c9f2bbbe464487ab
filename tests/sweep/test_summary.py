import csv
import json
import os
from math import nan
from pathlib import Path

import pytest

from lm.sweep import Outcome, summary_table, write_summary
from lm.sweep.summary import best_first

OUTCOMES = [
    Outcome("x=1", ["x=1"], "runs/x=1", value=3.0),
    Outcome("x=2,y=b", ["x=2", "+y=b"], "runs/x=2", code=2, error="x=2: must be odd\nindeed"),
    Outcome("x=3", ["x=3"], "runs/x=3", value=nan),
    Outcome("x=4", ["x=4"], "runs/x=4", value=1.25),
    Outcome("x=5", ["x=5"], "runs/x=5", value={"bits": 1}),
    Outcome("x=6", ["x=6"], "runs/x=6", value=2.5, pruned_at=40),
    Outcome("x=7", ["x=7"], "runs/x=7", value=0.5, pruned_at=20),
]


@pytest.mark.parametrize(
    ("largest", "first"), [(False, ["x=4", "x=1", "x=7", "x=6"]), (True, ["x=1", "x=4", "x=6", "x=7"])]
)
def test_the_best_come_first_then_no_numbers_then_pruned_and_last_failed_ones(largest: bool, first: list[str]) -> None:
    names = [each.name for each in best_first(OUTCOMES, largest=largest)]
    assert names == [*first[:2], "x=3", "x=5", *first[2:], "x=2,y=b"]


def test_the_table_has_one_line_per_job_with_the_error_or_the_step_of_pruning() -> None:
    assert summary_table(OUTCOMES).splitlines() == [
        " value  job",
        "  1.25  runs/x=4",
        "     3  runs/x=1",
        "   nan  runs/x=3",
        "     –  runs/x=5",
        "   0.5  runs/x=7: pruned at step 20",
        "   2.5  runs/x=6: pruned at step 40",
        "failed  runs/x=2: x=2: must be odd",
    ]


def test_the_csv_has_a_column_a_swept_key_and_the_json_all(tmp_path: Path) -> None:
    write_summary(tmp_path, OUTCOMES)
    with open(tmp_path / "summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["status"], row["value"], row["pruned_at"], row["x"], row["y"]) for row in rows] == [
        ("x=4", "complete", "1.25", "", "4", ""),
        ("x=1", "complete", "3.0", "", "1", ""),
        ("x=3", "complete", "nan", "", "3", ""),
        ("x=5", "complete", "", "", "5", ""),
        ("x=7", "pruned", "0.5", "20", "7", ""),
        ("x=6", "pruned", "2.5", "40", "6", ""),
        ("x=2,y=b", "failed", "", "", "2", "b"),
    ]
    records = json.loads((tmp_path / "summary.json").read_text())
    assert records[-1]["error"] == "x=2: must be odd\nindeed"
    assert [record["directory"] for record in records[:2]] == ["runs/x=4", "runs/x=1"]
    assert records[3]["value"] == {"bits": 1}
    assert [record["pruned_at"] for record in records] == [None, None, None, None, 20, 40, None]


def test_a_summary_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_summary(tmp_path, OUTCOMES[:1])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def die(source: str, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        write_summary(tmp_path, OUTCOMES)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

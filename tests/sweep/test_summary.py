import csv
import json
import os
import pickle
from dataclasses import asdict, replace
from math import nan
from pathlib import Path

import pytest

from lm.sweep import Metric, Outcome, ranking, summary_table, write_summary
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


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("direction", [None, "minimize", "maximize"])
def test_the_best_come_first_then_no_numbers_then_pruned_and_last_failed_ones(direction: str | None, mode: str) -> None:
    outcomes = [replace(each, metric="validation/rewards/accuracies", mode=mode) for each in OUTCOMES]
    largest = direction == "maximize" or (direction is None and mode == "max")
    first = ["x=1", "x=4", "x=6", "x=7"] if largest else ["x=4", "x=1", "x=7", "x=6"]
    names = [each.name for each in best_first(outcomes, direction=direction)]
    assert names == [*first[:2], "x=3", "x=5", *first[2:], "x=2,y=b"]
    order = "highest" if largest else "lowest"
    assert ranking(outcomes, direction=direction) == f" by validation/rewards/accuracies, {order} first"


def test_jobs_of_different_metrics_are_ranked_metric_by_metric() -> None:
    bits = [Outcome(f"bits={x}", [], "", value=x, metric="bits", mode="min") for x in (2.0, 1.0)]
    reward = [Outcome(f"reward={x}", [], "", value=x, metric="reward", mode="max") for x in (0.1, 0.9)]
    mixed = [bits[0], reward[0], bits[1], reward[1]]
    assert [each.name for each in best_first(mixed)] == ["bits=1.0", "bits=2.0", "reward=0.9", "reward=0.1"]
    assert ranking(mixed) == " by bits, lowest first, then by reward, highest first; different metrics do not compare"


def test_a_metric_is_its_number_and_an_outcome_keeps_what_it_measures() -> None:
    metric = Metric(0.75, name="validation/reward/mean", mode="max")
    assert metric == 0.75
    assert (pickle.loads(pickle.dumps(metric)).mode, json.dumps([metric])) == ("max", "[0.75]")
    outcome = OUTCOMES[0].returning(metric)
    assert (outcome.value, type(outcome.value), outcome.metric, outcome.mode) == (0.75, float, metric.name, "max")
    assert Outcome(**json.loads(json.dumps(asdict(outcome)))) == outcome
    assert OUTCOMES[0].returning(2.0) == replace(OUTCOMES[0], value=2.0)
    with pytest.raises(ValueError, match="mode='maximize' of the metric loss: must be min or max"):
        Metric(1.0, name="loss", mode="maximize")


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
    assert {(record["metric"], record["mode"]) for record in records} == {("", "min")}
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

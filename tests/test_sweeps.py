"""A sweep can be broken off, gone on with and extended, and ends with what it found."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lm.cli import main

sys.path.insert(0, str(Path(__file__).with_name("toy")))
import toy
from training_runs import make_corpus, of_seconds

Train = Callable[..., int]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """`lm train …` on the toy job, in this process and an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["train", "data.path=x", *arguments], directory=toy.CONF)


def summary(directory: str | Path) -> list[dict]:
    return json.loads((Path(directory) / "summary.json").read_text())


def values(directory: str | Path) -> dict[str, float]:
    return {record["name"]: record["value"] for record in summary(directory)}


def test_a_sweep_ends_with_a_table_best_first(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("-m", "run.name=tune", "seed=2,0,1") == 0
    *_, first, second, third, _, told = capsys.readouterr().out.splitlines()
    assert [line.split() for line in (first, second, third)] == [
        ["0.008", "seed=0", "outputs/train/tune/seed=0"],
        ["0.016", "seed=1", "outputs/train/tune/seed=1"],
        ["0.024", "seed=2", "outputs/train/tune/seed=2"],
    ]
    assert told == "sweep       3 jobs → outputs/train/tune/summary.csv"
    with open("outputs/train/tune/summary.csv", newline="") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0", "1", "2"]


def test_a_job_that_failed_is_last_with_its_reason_and_run_again_by_the_same_command(train: Train) -> None:
    command = ("-m", "run.name=tune", "behave=no file,well", "seed=2,0")
    assert train(*command) == 1
    told = summary("outputs/train/tune")
    assert [record["status"] for record in told] == ["complete", "complete", "failed", "failed"]
    assert told[2]["error"] == "FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.txt'"
    assert told[2]["overrides"][1] == "seed=2"
    assert Path(told[2]["directory"]).is_dir()
    Path("nowhere.txt").touch()
    assert train(*command) == 0
    assert [record["status"] for record in summary("outputs/train/tune")] == ["complete"] * 4


def test_more_values_run_only_the_new_jobs(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("-m", "seed=1,2", "model=small,big")
    before = {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("loss.txt")}
    capsys.readouterr()
    train("-m", "seed=1,2,3", "model=small,big")
    said = capsys.readouterr().out
    assert (said.count("nothing to do"), said.count("10 steps")) == (4, 2)
    assert before.items() < {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("loss.txt")}.items()
    assert len(summary("outputs/train/default")) == 6


def test_values_that_differ_in_a_slash_are_two_runs(train: Train) -> None:
    assert train("-m", "data.path=a/b,a-b", "run.name=tune") == 0
    assert {record["directory"] for record in summary("outputs/train/tune")} == {
        "outputs/train/tune/data.path=a%2Fb",
        "outputs/train/tune/data.path=a-b",
    }


def test_a_fault_of_two_values_together_is_told_before_the_first_job_runs(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("-m", "model=small,big", "model/attention=full,grouped", "model.attention.groups=1") == 2
    assert "nothing was run" in capsys.readouterr().err
    assert not Path("outputs").exists()


def test_a_run_may_have_the_name_of_a_sweep(train: Train) -> None:
    assert train("-m", "seed=1,2") == 0
    assert train("seed=3") == 0
    assert train("seed=4", "run.restart=true") == 0
    assert {"summary.csv", "seed=1", "loss.txt"} < {path.name for path in Path("outputs/train/default").iterdir()}


def test_a_job_without_a_number_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["greet", "-m", "name=you,me"], directory=toy.CONF) == 0
    assert values("outputs/greet/default") == {"name=you": None, "name=me": None}


def lm(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "lm", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def test_a_sweep_killed_in_its_second_job_goes_on_there_and_ends_as_an_unbroken_one(
    corpus: Path, tmp_path: Path
) -> None:
    seeds = "seed=1000,20"  # of 48 micro-batches; the killer strikes after as many as the seed says
    killer = ("+callbacks.kill._target_=killers.KillAfterBatch", "+callbacks.kill.batches=${seed}")
    broken = of_seconds(corpus, tmp_path / "broken", "tune", "-m", seeds)
    assert lm("pretrain", *broken, *killer).returncode == -9
    sweep, other = tmp_path / "broken/pretrain/tune", tmp_path / "unbroken/pretrain/tune"
    before = {path: path.stat().st_mtime_ns for path in (sweep / "seed=1000/checkpoints").iterdir()}
    assert not (sweep / "summary.json").exists()
    said = lm("pretrain", *broken)
    assert said.returncode == 0, said.stderr
    assert (said.stdout.count("nothing to do"), said.stdout.count("going on from")) == (1, 1)
    assert before == {path: path.stat().st_mtime_ns for path in (sweep / "seed=1000/checkpoints").iterdir()}
    assert lm("pretrain", *of_seconds(corpus, tmp_path / "unbroken", "tune", "-m", seeds)).returncode == 0
    assert values(sweep) == values(other)
    for seed in ("1000", "20"):
        one, same = (
            torch.load(each / f"seed={seed}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
            for each in (sweep, other)
        )
        assert all(torch.equal(one[name], same[name]) for name in one)

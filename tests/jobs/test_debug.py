"""Debugging configs: `debug=fast` runs everything in two steps, `debug=overfit` learns a few rows by heart."""

import csv
from pathlib import Path

import pytest

from lm.cli.main import main
from lm.config.command import faults_of
from support.compositions import composition

WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "a", "dog", "ran", "far", "away", "from", "home", "at", "dawn")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small corpus in bytes."""
    directory = tmp_path_factory.mktemp("debug")
    text = "\n\n".join(" ".join(WORDS[(i * j) % len(WORDS)] for j in range(1, 60)) for i in range(1, 60))
    (directory / "my.txt").write_text(text)
    source = ["corpus=text", "corpus.path=my.txt", "corpus.separator='\\n\\n'"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        assert main(["tokenizer", *source, "tokenizer=bytes"]) == 0
        assert main(["corpus", *source]) == 0
    return directory


def test_overfit_brings_the_loss_of_a_few_rows_to_almost_nothing(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prepared)
    small = ["model=nano", "budget.batch_tokens=256", "budget.steps=120", "callbacks=quiet"]
    assert main(["pretrain", "debug=overfit", *small]) == 0
    with open("outputs/pretrain/debug-overfit/metrics.csv") as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]
    assert losses[0] > 2
    assert losses[-1] < 0.1


def test_fast_trains_validates_and_saves_in_two_steps_without_a_logger(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(prepared)
    assert main(["pretrain", "debug=fast", "model=nano"]) == 0
    assert "2 steps" in (said := capsys.readouterr().out)
    assert "bits per byte" in said
    made = {path.name for path in Path("outputs/pretrain/debug-fast").rglob("*")}
    assert {"last.ckpt", "samples.txt", "manifest.json"} < made
    assert "metrics.csv" not in made


DEBUGGED = """
pretrain debug=fast
pretrain debug=overfit
instruct debug=fast
instruct debug=overfit
pipeline debug=fast
pipeline debug/stages=fast
pipeline debug=overfit
pipeline debug=overfit text=my.txt conversations=talks.jsonl
pretrain debug=overfit logger=mlflow
pretrain debug=fast model=small
"""


@pytest.mark.parametrize("line", DEBUGGED.strip().splitlines())
def test_every_job_that_trains_can_be_debugged(line: str) -> None:
    job, *words = line.split()
    given = ["model.path=x"] if job == "instruct" else []
    assert faults_of(composition(job), [*words, *given], multirun=False) == []

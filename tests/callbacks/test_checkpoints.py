"""`last` is the end of what was trained, `best` the lowest validation, and validation always sees the end."""

import csv

import pytest
import torch

from lm.run.manifest import read_manifest
from support.training_runs import make_corpus, pretraining, run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def diverging(corpus, tmp_path_factory):
    """11 steps, validated every 4, at a learning rate that makes it worse and worse."""
    root = tmp_path_factory.mktemp("diverging")
    options = ("budget.steps=11", "callbacks.checkpoints.every=5", "optimizer.learning_rate=10.0", "schedule=constant")
    assert run(pretraining(corpus, root, "run", *options)) == 0
    return root / "pretrain" / "run"


def validations(directory) -> dict[int, float]:
    with open(directory / "metrics.csv", newline="") as file:
        found = [(row["step"], row.get("validation/loss")) for row in csv.DictReader(file)]
    return {int(step): float(loss) for step, loss in found if loss}


def saved(directory, which: str) -> dict:
    return torch.load(directory / "checkpoints" / f"{which}.ckpt", weights_only=True)


def test_the_last_step_is_validated_though_the_interval_does_not_divide_the_steps(diverging):
    assert list(validations(diverging)) == [4, 8, 11]


def test_last_is_the_end_of_the_run(diverging):
    assert saved(diverging, "last")["global_step"] == 11


def test_best_is_the_lowest_validation(diverging):
    losses = validations(diverging)
    lowest = min(losses, key=losses.get)
    assert lowest < 11, "the test wants a run that gets worse"
    assert saved(diverging, "best")["global_step"] == lowest


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-40])])
def test_a_run_that_has_lost_its_best_is_not_finished_without(damage, corpus, tmp_path):
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 40}"
    assert run(pretraining(corpus, tmp_path, "run", killer)) != 0
    damage(tmp_path / "pretrain" / "run" / "checkpoints" / "best.ckpt")
    assert run(pretraining(corpus, tmp_path, "run")) != 0
    assert read_manifest(tmp_path / "pretrain" / "run")["state"] == "started"


def test_without_held_out_rows_last_is_the_end_and_there_is_no_best(corpus, tmp_path):
    assert run(pretraining(corpus, tmp_path, "run", "data.validation_rows=0")) == 0
    directory = tmp_path / "pretrain" / "run"
    assert not validations(directory)
    assert saved(directory, "last")["global_step"] == 12
    assert not (directory / "checkpoints" / "best.ckpt").exists()

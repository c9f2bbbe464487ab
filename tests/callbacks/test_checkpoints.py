"""`last` holds the last step, `best` the lowest validation loss, and the last step is always validated."""

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
    """Run of 11 steps, validated every 4. Spoiled weights at step 9 raise the loss on every processor."""
    root = tmp_path_factory.mktemp("diverging")
    spoil = "+callbacks.spoil={_target_: support.killers.Jump, steps: [9]}"
    options = ("budget.steps=11", "callbacks.checkpoints.every=5", "schedule=constant", spoil)
    assert run(pretraining(corpus, root, "run", *options)) == 0
    return root / "pretrain" / "run"


def validations(directory) -> dict[int, float]:
    with open(directory / "metrics.csv", newline="") as file:
        losses = [(row["step"], row.get("validation/loss")) for row in csv.DictReader(file)]
    return {int(step): float(loss) for step, loss in losses if loss}


def saved(directory, which: str) -> dict:
    return torch.load(directory / "checkpoints" / f"{which}.ckpt", weights_only=True)


def test_the_last_step_is_validated_even_if_the_interval_does_not_divide_the_steps(diverging):
    assert list(validations(diverging)) == [4, 8, 11]


def test_last_holds_the_last_step(diverging):
    assert saved(diverging, "last")["global_step"] == 11


def test_best_holds_the_lowest_validation_loss(diverging):
    losses = validations(diverging)
    lowest = min(losses, key=losses.get)
    assert losses[11] > losses[lowest] + 0.5, "the spoiled weights raise the loss"
    assert saved(diverging, "best")["global_step"] == lowest


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-40])])
def test_a_run_whose_best_checkpoint_is_lost_or_damaged_is_not_completed(damage, corpus, tmp_path):
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 40}"
    assert run(pretraining(corpus, tmp_path, "run", killer)) != 0
    damage(tmp_path / "pretrain" / "run" / "checkpoints" / "best.ckpt")
    assert run(pretraining(corpus, tmp_path, "run")) != 0
    assert read_manifest(tmp_path / "pretrain" / "run")["state"] == "started"


def test_without_held_out_rows_there_is_a_last_checkpoint_and_no_best(corpus, tmp_path):
    assert run(pretraining(corpus, tmp_path, "run", "data.validation_rows=0")) == 0
    directory = tmp_path / "pretrain" / "run"
    assert not validations(directory)
    assert saved(directory, "last")["global_step"] == 12
    assert not (directory / "checkpoints" / "best.ckpt").exists()

"""`last` holds the last step, `best` the lowest validation loss, and the last step is always validated."""

import csv
import json
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lm.callbacks import Checkpoints
from lm.cli.call import call_job
from lm.directory.manifest import read_manifest
from lm.interchange import load_model
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


@pytest.fixture(scope="module")
def broken_off(corpus, tmp_path_factory):
    """A run of 12 steps that ended after 10, chosen by bits per byte; validated after 4 and 8."""
    root = tmp_path_factory.mktemp("broken_off")
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 40}"
    assert run(pretraining(corpus, root, "run", killer, BITS)) == -signal.SIGKILL
    return root / "pretrain" / "run"


BITS = "callbacks.checkpoints.monitor=validation/bits_per_byte"


@pytest.fixture
def resumed(broken_off, corpus, tmp_path):
    """Resume a copy of the run, and return its directory."""
    directory = tmp_path / "pretrain" / "run"
    shutil.copytree(broken_off, directory)

    def resume(*options: str) -> Path:
        call_job(pretraining(corpus, tmp_path, "run", *options))
        return directory

    return resume


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-40])])
def test_a_lost_or_damaged_best_does_not_block_a_run_whose_last_is_whole(damage, resumed, tmp_path, capsys):
    best = tmp_path / "pretrain" / "run" / "checkpoints" / "best.ckpt"
    damage(best)
    directory = resumed(BITS)
    assert re.search(rf"note: {best} is (missing|damaged \(.+\)): the next validation writes", capsys.readouterr().err)
    assert read_manifest(directory)["state"] == "complete"
    assert saved(directory, "best")["global_step"] == 12


def test_a_damaged_best_after_the_last_validation_is_removed_with_a_line(resumed, tmp_path, capsys):
    last, best = (tmp_path / "pretrain" / "run" / "checkpoints" / f"{which}.ckpt" for which in ("last", "best"))
    directory = resumed(BITS)
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps({**manifest, "state": "started"}))
    best.write_bytes(best.read_bytes()[:-40])
    resumed(BITS)
    assert f"note: {best} is damaged" in capsys.readouterr().out
    assert (last.exists(), best.exists()) == (True, False)
    assert load_model(str(directory)).training is False


@pytest.mark.parametrize(("spoil", "step"), [(False, 12), (True, 8)])
def test_with_another_monitor_the_best_so_far_counts_by_its_value_of_that_metric(spoil, step, resumed, capsys):
    """Bits per byte are lower than the loss: 1.7 of the one would never be beaten by 4 nats of the other."""
    jump = ["+callbacks.spoil={_target_: support.killers.Jump, steps: [11]}"] if spoil else []
    directory = resumed("callbacks.checkpoints.monitor=validation/loss", *jump)
    message = capsys.readouterr().err
    assert "best.ckpt was the best by validation/bits_per_byte; by validation/loss it has " in message
    best = saved(directory, "best")
    assert best["global_step"] == step
    (state,) = (state for name, state in saved(directory, "last")["callbacks"].items() if "Checkpoints" in name)
    assert state == {"best": best["validation"]["validation/loss"], "monitor": "validation/loss"}


def test_another_monitor_that_no_validation_has_is_refused_before_the_next_step(resumed):
    with pytest.raises(ValueError, match=r"monitor=validation/los is not a validation metric; choose one of: .*loss"):
        resumed("callbacks.checkpoints.monitor=validation/los")


def test_without_held_out_rows_there_is_a_last_checkpoint_and_no_best(corpus, tmp_path):
    assert run(pretraining(corpus, tmp_path, "run", "data.validation_rows=0")) == 0
    directory = tmp_path / "pretrain" / "run"
    assert not validations(directory)
    assert saved(directory, "last")["global_step"] == 12
    assert not (directory / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize(
    ("monitor", "mode", "cost"), [(None, None, -0.75), ("validation/loss", None, 0.5), ("validation/loss", "max", -0.5)]
)
def test_without_a_monitor_the_best_is_by_the_objectives_own_metric(monitor, mode, cost):
    callback = Checkpoints(monitor=monitor, mode=mode)
    callback.setup(None, SimpleNamespace(metric="validation/rewards/accuracies", mode="max"), "fit")
    assert callback._cost({"validation/loss": 0.5, "validation/rewards/accuracies": 0.75}) == cost

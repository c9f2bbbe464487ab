"""A loss spike is detected and its effect undone exactly, wherever the run is killed and resumed."""

import csv
import random
import re
import signal
from types import SimpleNamespace

import pytest
import torch

from lm.callbacks import LossSpikeGuard
from lm.checkpoint.files import AtomicCheckpointIO
from lm.cli.call import call_job
from lm.directory.manifest import read_manifest
from support.training_runs import make_corpus, pretraining, run

LENGTH = ("budget.steps=36", "budget.batch_tokens=128", "validations=2", "schedule=cosine", "model.dropout=0.1")
WATCHED = (
    "+callbacks.loss_spikes={_target_: lm.callbacks.LossSpikeGuard, roll_back: true, window: 8, rise: 0.5, every: 2}",
    "+callbacks.loss_spikes.snapshot_every=6",
    "+callbacks.loss_spikes.max_rollbacks=2",
    "+callbacks.jump={_target_: support.killers.Jump, steps: [20]}",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def rolled_back(corpus, tmp_path_factory):
    """Run 36 steps, of which the twentieth spoils the weights."""
    root = tmp_path_factory.mktemp("rolled")
    assert run(pretraining(corpus, root, "run", *LENGTH, *WATCHED)) == 0
    return root / "pretrain" / "run"


def state(directory) -> dict:
    """Weights and moments at the end."""
    saved = torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)
    return {
        "weights": saved["state_dict"],
        "moments": saved["optimizer_states"][0]["state"],
        "callbacks": saved["callbacks"],
    }


def assert_same(one, other) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, dict):
            assert_same(value, other[name])
        else:
            assert torch.equal(value, other[name]), name


def losses(directory) -> dict[int, float]:
    with open(directory / "metrics.csv", newline="") as file:
        return {int(row["step"]): float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]}


def undone(directory) -> list[list[int]]:
    return read_manifest(directory)["result"].get("steps_without_effect", [])


def test_the_run_ends_as_one_without_the_steps_of_the_spike(rolled_back, corpus, tmp_path):
    ((first, last),) = undone(rolled_back)
    assert first == 19, "the weights of step 18 are half of six steps older than the spike at 21"
    assert 21 <= last <= 23
    leaving_out = f"+callbacks.leave={{_target_: support.killers.LeaveOut, first: {first}, last: {last}}}"
    assert run(pretraining(corpus, tmp_path, "run", *LENGTH, leaving_out)) == 0
    without = state(tmp_path / "pretrain" / "run")
    for part in ("weights", "moments"):
        assert_same(state(rolled_back)[part], without[part])
    assert max(losses(rolled_back)[step] for step in range(20, last + 1)) > 2 * losses(rolled_back)[last + 1]


@pytest.mark.parametrize("batches", [39, 42, 43, 46, 60])  # before, in and after the spike, two micro-batches a step
def test_a_killed_run_rolls_back_bit_for_bit(batches, rolled_back, corpus, tmp_path):
    killer = f"+callbacks.killer={{_target_: support.killers.KillAfterBatch, batches: {batches}}}"
    more = ("callbacks.checkpoints.every=7",)  # another interval than those of checks and snapshots
    assert run(pretraining(corpus, tmp_path, "run", *LENGTH, *WATCHED, *more, killer)) == -signal.SIGKILL
    assert run(pretraining(corpus, tmp_path, "run", *LENGTH, *WATCHED, *more)) == 0
    directory = tmp_path / "pretrain" / "run"
    for part in ("weights", "moments"):
        assert_same(state(directory)[part], state(rolled_back)[part])
    assert losses(directory) == losses(rolled_back)
    assert undone(directory) == undone(rolled_back)


def test_a_snapshot_just_before_the_spike_is_not_restored(corpus, tmp_path):
    shorter = ("budget.steps=24", "validations=1", "callbacks.jump.steps=[19]")
    call_job(pretraining(corpus, tmp_path, "run", *LENGTH, *WATCHED, *shorter))
    ((first, _),) = undone(tmp_path / "pretrain" / "run")
    assert first == 13, "those of 18 are two steps older than the one at 20"
    (guard,) = (saved for saved in state(tmp_path / "pretrain" / "run")["callbacks"].values() if "undone" in saved)
    assert guard["snapshots"] == [12], "nor is it by the next spike"


def test_snapshots_are_removed_at_the_end(rolled_back):
    assert sorted(path.name for path in (rolled_back / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_the_result_records_all_rows_read_and_the_steps_without_effect(rolled_back):
    result = read_manifest(rolled_back)["result"]
    assert sum(source["rows"] for source in result["sources"].values()) == 36 * 4
    assert result["steps_without_effect"] == undone(rolled_back)


def test_reporting_without_rollback_changes_nothing(corpus, tmp_path, capsys):
    jump = WATCHED[-1]
    call_job(pretraining(corpus, tmp_path, "quiet", *LENGTH, jump))
    assert "spike" not in capsys.readouterr().err
    reporting = "+callbacks.loss_spikes={_target_: lm.callbacks.LossSpikeGuard, window: 8, rise: 0.5, every: 3}"
    call_job(pretraining(corpus, tmp_path, "reported", *LENGTH, jump, reporting))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("loss spike at step 21: loss ")
    assert re.search(r", median \d+\.\d{3}, after rows ", line)
    assert "document " in line
    quiet, reported = (state(tmp_path / "pretrain" / name) for name in ("quiet", "reported"))
    assert_same(quiet["weights"], reported["weights"])


def test_one_spike_more_than_max_rollbacks_ends_the_run(corpus, tmp_path):
    often = "callbacks.jump.steps=[20,27,34]"
    with pytest.raises(
        ValueError, match=r"^loss spike at step 3\d: .* 2 spikes were rolled back before: lower optimizer.learning_rate"
    ):
        call_job(pretraining(corpus, tmp_path, "run", *LENGTH, *WATCHED, often))


def spikes_in(values: list[float], **settings) -> list[int]:
    """Return the steps (from 1) that are detected as spikes."""
    callback, spikes = LossSpikeGuard(every=1, **{"window": 32, **settings}), []
    for step, value in enumerate(values, 1):
        trainer = SimpleNamespace(global_step=step, world_size=1)
        callback._local = [torch.tensor(value, dtype=torch.float64)]
        callback._handle = lambda trainer, spike, description: spikes.append(spike)
        callback._check(trainer)
    return spikes


def test_noise_and_descent_are_no_spikes_and_a_jump_is():
    draw = random.Random(0)
    values = [10 / (1 + step / 50) + draw.gauss(0, 0.05) for step in range(400)]
    assert spikes_in(values) == []
    values[300] += 1.5
    assert spikes_in(values) == [301]
    assert spikes_in(values, rise=2.0) == []
    assert spikes_in(values, threshold=100.0) == []
    values[200:240] = [float("nan")] * 40
    assert spikes_in(values) == [301], "a non-finite loss is no spike, and hides none"


def test_a_spike_before_a_checkpoint_is_detected_by_the_run_that_resumes_from_it():
    settings = {"window": 8, "every": 4}
    values = [2.0 + 0.01 * (step % 3) for step in range(16)]
    values[13] += 2
    before, after, spikes = LossSpikeGuard(**settings), LossSpikeGuard(**settings), []
    after._handle = lambda trainer, spike, description: spikes.append(spike)
    module, callback = SimpleNamespace(step_loss=None), before
    trainer = SimpleNamespace(global_step=0, max_steps=99, world_size=1, accumulate_grad_batches=1)
    for step, value in enumerate(values, 1):
        trainer.global_step, module.step_loss = step, torch.tensor(value, dtype=torch.float64)
        callback.on_train_batch_end(trainer, module, None, None, step - 1)
        if step == 15:
            checkpoint = {"callbacks": {}}
            before.on_save_checkpoint(trainer, module, checkpoint)
            (saved,) = checkpoint["callbacks"].values()
            after.load_state_dict(saved)
            callback = after
    assert spikes == [14]


def test_two_snapshots_and_those_of_the_last_checkpoint_stay_on_disk(tmp_path):
    """A killed run resumes from that checkpoint and may have to restore them."""

    def save(path) -> None:
        callback.on_save_checkpoint(trainer, None, {"callbacks": {}})
        path.parent.mkdir(exist_ok=True)
        path.touch()

    def steps() -> list[int]:
        callback.on_train_batch_start(trainer, None, None, 0)
        return sorted(int(path.stem.removeprefix("snapshot-")) for path in tmp_path.rglob("snapshot-*.ckpt"))

    def snapshot(step: int) -> list[int]:
        trainer.global_step = step
        callback._write_snapshot(trainer)
        return steps()

    trainer = SimpleNamespace(
        global_step=0, is_global_zero=True, accumulate_grad_batches=1, default_root_dir=tmp_path, save_checkpoint=save
    )
    trainer.strategy = SimpleNamespace(checkpoint_io=AtomicCheckpointIO())
    callback = LossSpikeGuard(roll_back=True, every=2, snapshot_every=6)
    callback.on_train_start(trainer, None)
    assert [snapshot(6), snapshot(12), snapshot(18)] == [[0, 6], [6, 12], [12, 18]]
    save(tmp_path / "last.ckpt")
    assert [snapshot(24), snapshot(30), snapshot(36)] == [[12, 18, 24], [12, 18, 24, 30], [12, 18, 30, 36]]
    save(tmp_path / "last.ckpt")
    assert steps() == [30, 36]
    saved, callback = callback.state_dict(), LossSpikeGuard(roll_back=True, every=2, snapshot_every=6)
    callback.load_state_dict(saved)
    callback.on_train_start(trainer, None)
    assert [snapshot(42), snapshot(48)] == [[30, 36, 42], [30, 36, 42, 48]]


def test_snapshots_too_close_to_each_other_are_refused():
    with pytest.raises(
        ValueError, match=r"snapshot_every=10 is less than 2 × callbacks\.loss_spikes\.every=8; raise it to 16"
    ):
        LossSpikeGuard(roll_back=True, every=8, snapshot_every=10)

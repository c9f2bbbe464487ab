"""A run that was killed and started again by the same command ends as if nothing had happened, bit for bit."""

import csv
import signal

import pytest
import torch

from lm.directory.manifest import read_manifest
from lm.interchange import load_model
from support.training_runs import instruction, make_corpus, pretraining, run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    root = tmp_path_factory.mktemp("uninterrupted")
    assert run(pretraining(corpus, root, "run")) == 0
    return root / "pretrain" / "run"


def losses(directory):
    """Every logged loss, by step; throughput is a clock's."""
    with open(directory / "metrics.csv", newline="") as file:
        rows = [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]
    return rows


def assert_equal_trees(one, other, path=""):
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert list(one) == list(other), path
        for key in one:
            assert_equal_trees(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal_trees(a, b, f"{path}[{i}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def assert_same_run(directory, reference):
    for which in ("last", "best"):
        here, there = (
            torch.load(path / "checkpoints" / f"{which}.ckpt", weights_only=True) for path in (directory, reference)
        )
        for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
            assert_equal_trees(here[part], there[part], f"{which}:{part}")
    assert losses(directory) == losses(reference)
    assert read_manifest(directory)["state"] == "complete"
    assert not list((directory / "checkpoints").glob(".*"))


# 12 steps of 4 micro-batches; warm-up is the first of them, validation after steps 4, 8 and 12; one epoch of the
# corpus is about 5 steps
MOMENTS = {
    "in warm-up": "support.killers.KillAfterBatch, batches: 1",
    "inside accumulation": "support.killers.KillAfterBatch, batches: 27",
    "after a step, before its checkpoint": "support.killers.KillAfterBatch, batches: 20",
    "at a validation": "support.killers.KillAfterBatch, batches: 32",
    "after the last step": "support.killers.KillAfterBatch, batches: 48",
    "during the first checkpoint write": "support.killers.KillWhileSaving, saves: 1",
    "during a later checkpoint write": "support.killers.KillWhileSaving, saves: 5",
    "between the two checkpoints of a validation": "support.killers.KillAfterSaving, saves: 2",
    "after the last checkpoint of a validation": "support.killers.KillAfterSaving, saves: 3",
    "after the last checkpoint of all": "support.killers.KillAfterSaving, saves: 9",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_run_resumes_bit_for_bit(moment, corpus, uninterrupted, tmp_path):
    killer = f"+callbacks.killer={{_target_: {MOMENTS[moment]}}}"
    assert run(pretraining(corpus, tmp_path, "run", killer)) == -signal.SIGKILL
    assert run(pretraining(corpus, tmp_path, "run")) == 0
    assert_same_run(tmp_path / "pretrain" / "run", uninterrupted)


@pytest.mark.parametrize("batches", [27, 32])  # inside accumulation, at a validation
def test_an_objective_that_prepares_steps_resumes_with_whole_steps(batches, corpus, uninterrupted, tmp_path):
    """Its preparation is without effect, so the run is also that of an objective without any, bit for bit."""
    preparing = "objective._target_=support.preparing.Recounted"
    killer = f"+callbacks.killer={{_target_: support.killers.KillAfterBatch, batches: {batches}}}"
    assert run(pretraining(corpus, tmp_path, "run", preparing, "data.workers=1", killer)) == -signal.SIGKILL
    assert run(pretraining(corpus, tmp_path, "run", preparing)) == 0
    assert_same_run(tmp_path / "pretrain" / "run", uninterrupted)


SPARSE = ("model/feedforward=experts", "model.feedforward.z_loss=0.001", "compute.activation_checkpointing=true")


def test_a_killed_run_of_sparse_experts_resumes_bit_for_bit_with_their_load(corpus, tmp_path):
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 27}"
    assert run(pretraining(corpus, tmp_path, "whole", *SPARSE)) == 0
    assert run(pretraining(corpus, tmp_path, "run", *SPARSE, killer)) == -signal.SIGKILL
    assert run(pretraining(corpus, tmp_path, "run", *SPARSE)) == 0
    assert_same_run(tmp_path / "pretrain" / "run", tmp_path / "pretrain" / "whole")
    rows = (tmp_path / "pretrain" / "run" / "metrics.csv").read_text().splitlines()
    for name in ("balance_loss", "z_loss", "largest_share", "smallest_share", "entropy"):
        assert rows[0].split(",").count(f"train/experts/{name}") == 1


STAGES = (
    "data/mixture=stages",
    "data.mixture.stages.early.weights={code: 1, prose: 9}",
    "data.mixture.stages.late.weights={code: 2, prose: 1}",
    "data.mixture.until.early=0.5",
    "data.max_epochs={code: 1.5}",
    "data.excess=redistribute",
)


@pytest.fixture(scope="module")
def staged(corpus, tmp_path_factory):
    """A run in two stages of six steps."""
    root = tmp_path_factory.mktemp("staged")
    assert run(pretraining(corpus, root, "run", *STAGES)) == 0
    return root / "pretrain" / "run"


@pytest.mark.parametrize("batches", [9, 24, 27])  # in the first stage, at its end, in the second
def test_a_run_killed_in_any_stage_of_a_mixture_resumes_bit_for_bit(batches, corpus, staged, tmp_path):
    killer = f"+callbacks.killer={{_target_: support.killers.KillAfterBatch, batches: {batches}}}"
    assert run(pretraining(corpus, tmp_path, "run", *STAGES, killer)) == -signal.SIGKILL
    assert run(pretraining(corpus, tmp_path, "run", *STAGES)) == 0
    assert_same_run(tmp_path / "pretrain" / "run", staged)
    here, there = (read_manifest(path)["result"] for path in (tmp_path / "pretrain" / "run", staged))
    assert [here[part] for part in ("sources", "stages")] == [there[part] for part in ("sources", "stages")]


def test_data_workers_change_nothing(corpus, uninterrupted, tmp_path):
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 21}"
    assert run(pretraining(corpus, tmp_path, "run", "data.workers=2", killer)) == -signal.SIGKILL
    assert run(pretraining(corpus, tmp_path, "run", "data.workers=1")) == 0
    assert_same_run(tmp_path / "pretrain" / "run", uninterrupted)


@pytest.mark.parametrize(
    ("batches", "steps"),
    [
        (18, 5),  # in the second micro-batch of the fifth step
        (16, 4),  # at the end of a step that is validated: first that, which resuming would skip
        (48, 12),
    ],
)
def test_interrupted_run_saves_at_once_and_resumes_bit_for_bit(batches, steps, corpus, uninterrupted, tmp_path):
    arguments = f"batches: {batches}, number: {int(signal.SIGTERM)}"
    signals = f"+callbacks.killer={{_target_: support.killers.SignalAfterBatch, {arguments}}}"
    assert run(pretraining(corpus, tmp_path, "run", signals, "callbacks.checkpoints.every=100")) != 0
    saved = torch.load(tmp_path / "pretrain" / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == steps
    assert run(pretraining(corpus, tmp_path, "run")) == 0
    assert_same_run(tmp_path / "pretrain" / "run", uninterrupted)


TUNING = (
    "model/adapter=dora",
    "model/quantise=nf4",
    "model.adapter.dropout=0.2",
    "model.adapter.whole=[norm, embedding]",
    "model.freeze=[blocks.0]",
    "objective.noise=5",
    "data.prompt_weight=0.1",
    "data.split.share=0.2",
    "budget.steps=6",
    "budget.rows_per_device=2",
    "validations=3",
    "callbacks.checkpoints.every=1",
)


@pytest.fixture(scope="module")
def tuned(uninterrupted, tmp_path_factory):
    root = tmp_path_factory.mktemp("tuned")
    assert run(instruction(uninterrupted, root, "run", *TUNING)) == 0
    return root / "instruct" / "run"


@pytest.mark.parametrize("batches", [5, 8])  # within a step, and at a validation
def test_a_killed_adapter_tuning_resumes_bit_for_bit(batches, uninterrupted, tuned, tmp_path):
    killer = f"+callbacks.killer={{_target_: support.killers.KillAfterBatch, batches: {batches}}}"
    assert run(instruction(uninterrupted, tmp_path, "run", *TUNING, killer)) == -signal.SIGKILL
    assert run(instruction(uninterrupted, tmp_path, "run", *TUNING)) == 0
    assert_same_run(tmp_path / "instruct" / "run", tuned)


def test_an_adapter_checkpoint_holds_optimizer_state_of_trained_weights_only(uninterrupted, tuned):
    saved = torch.load(tuned / "checkpoints" / "last.ckpt", weights_only=True)
    (optimizer,) = saved["optimizer_states"]
    moments = [state["exp_avg"].shape for state in optimizer["state"].values()]
    trains = [name for name in saved["state_dict"] if name.startswith("model.blocks.1.") and ".base." not in name]
    trained = [name for name in trains if "norm" not in name] + ["model.norm.weight", "model.embedding.weight"]
    assert sorted(moments) == sorted(saved["state_dict"][name].shape for name in trained)
    assert read_manifest(tuned)["result"]["trained"] == sum(shape.numel() for shape in moments)
    before, after = load_model(str(uninterrupted)), load_model(str(tuned), which="last")
    kept = [name for name, value in after.state_dict().items() if torch.equal(value, before.state_dict()[name])]
    assert sorted(kept) == ["blocks.0.attention_norm.weight", "blocks.0.feedforward_norm.weight",
        "blocks.1.attention_norm.weight", "blocks.1.feedforward_norm.weight"]  # fmt: skip

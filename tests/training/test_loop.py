"""The training loop does what Lightning's does, in the same order, with the same bits."""

import csv
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from lm.cli.call import call_job
from support import recorded_hooks
from support.training_runs import make_corpus, pretraining

RECORDED = "+callbacks.recorded._target_=support.recorded_hooks.RecordedHooks"
SHAPES = {
    "Muon, four micro-batches a step": ["optimizer=muon"],
    "AdamW, one": ["optimizer=adamw", "budget.rows_per_device=8"],
    "what a callback logs by the module, every 50 steps": [
        "+callbacks.logs._target_=support.recorded_hooks.LogsBySelf",
        "budget.steps=60",
        "validations=1",
    ],
    "bf16, steps that may be skipped": ["compute.precision=bf16-true", "callbacks.non_finite.skip=2"],
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def trained(corpus: Path, root: Path, *words: str) -> tuple[dict, list[dict], list[tuple]]:
    """The last checkpoint of a run, its metrics without times, and the hooks that were called."""
    recorded_hooks.NOTED.clear()
    call_job(pretraining(corpus, root, "run", *words))
    assert recorded_hooks.lightnings_own()
    directory = root / "pretrain" / "run"
    with open(directory / "metrics.csv", newline="") as file:
        rows = [{name: value for name, value in row.items() if "second" not in name} for row in csv.DictReader(file)]
    saved = torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)
    return saved, rows, [*recorded_hooks.NOTED]


def lightnings(monkeypatch) -> None:
    """Have the next run use Lightning's own loop and hooks."""
    monkeypatch.setattr("lm.training.trainer.use_training_loop", lambda trainer: None)
    monkeypatch.setattr("lm.jobs.train.direct_hooks", lambda trainer: nullcontext())


def assert_same(one: object, other: object) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


@pytest.mark.parametrize("words", SHAPES.values(), ids=SHAPES.keys())
def test_weights_moments_counters_metrics_and_hooks_are_those_of_lightnings_loop(corpus, tmp_path, monkeypatch, words):
    ours, our_rows, our_hooks = trained(corpus, tmp_path / "ours", RECORDED, *words)
    lightnings(monkeypatch)
    theirs, their_rows, their_hooks = trained(corpus, tmp_path / "theirs", RECORDED, *words)
    assert our_rows == their_rows
    assert our_hooks == their_hooks
    assert {"on_before_zero_grad", "on_after_backward", "on_train_batch_end"} <= {name for name, *_ in our_hooks}
    del ours["run"], theirs["run"]  # which says where it lies
    assert_same(ours, theirs)


def test_a_profiler_sees_every_hook_as_in_lightnings_loop(corpus, tmp_path):
    profiler = "+trainer.profiler={_target_: lightning.pytorch.profilers.SimpleProfiler, dirpath: " + str(tmp_path)
    trained(corpus, tmp_path, profiler + ", filename: profile}", "callbacks.checkpoints.every=100")
    (found,) = tmp_path.glob("*profile*.txt")
    assert "[Callback]NonFiniteGuard.on_train_batch_end" in found.read_text()
    assert "[LightningModule]CausalLM.optimizer_step" in found.read_text()

"""The bar counts steps, not micro-batches, and a resumed run continues it."""

from types import SimpleNamespace

import pytest

from lm.callbacks import Progress
from lm.callbacks.progress import judge_by_peak
from lm.progress import Bar, bar

USUAL = {"metric": "validation/bits_per_byte", "step_metrics": {}}


@pytest.fixture
def shown(monkeypatch):
    """The bars that are made, each of which draws what it is."""
    made: list[Bar] = []
    monkeypatch.setattr(
        "lm.callbacks.progress.bar", lambda *parts, **named: made.append(bar(*parts, **named)) or made[-1]
    )
    return made


def trainer(**state) -> SimpleNamespace:
    common = {"max_steps": 10, "accumulate_grad_batches": 2, "default_root_dir": "out/pretrain/x"}
    common["distributed_sampler_kwargs"] = None  # single process
    common["datamodule"] = SimpleNamespace(
        data_plan=SimpleNamespace(plan=SimpleNamespace(rows_per_step=4, row_tokens=64))
    )
    return SimpleNamespace(**common | state)


def test_a_resumed_bar_continues_in_whole_steps_with_loss_and_bits_per_byte(shown, monkeypatch):
    progress = Progress(every=1, label="pretrain")
    module = SimpleNamespace(step_loss=2.5, validation={"validation/bits_per_byte": 1.25}, **USUAL)
    progress.on_train_start(trainer(global_step=5), module)
    assert "pretrain" in str(shown[0])
    assert "5/10" in str(shown[0])
    progress.on_validation_end(trainer(global_step=5), module)
    for batch, step in ((10, 5), (11, 6)):
        progress.on_train_batch_end(trainer(global_step=step), module, None, None, batch)
    assert "6/10" in str(shown[0])
    assert "loss 2.500" in str(shown[0])
    assert "1.250 bits/byte" in str(shown[0])
    monkeypatch.setattr(Bar, "units_per_second", 50.0)
    progress.on_train_batch_end(trainer(global_step=7), module, None, None, 13)
    assert "12.8k tokens/s" in str(shown[0])  # 50 steps of 4 × 64
    assert "of peak" not in str(shown[0])
    judge_by_peak([progress], 1 / 51_200)
    progress.on_train_batch_end(trainer(global_step=8), module, None, None, 15)
    assert "12.8k tokens/s, 25% of peak" in str(shown[0])
    progress.teardown(trainer(global_step=6), module, "fit")


def test_the_loss_shown_estimates_that_of_all_ranks(shown):
    progress, module = Progress(every=1), SimpleNamespace(step_loss=1.25, validation={}, **USUAL)
    progress.on_train_start(trainer(global_step=0), module)
    two = {"num_replicas": 2, "rank": 0}
    progress.on_train_batch_end(trainer(global_step=1, distributed_sampler_kwargs=two), module, None, None, 1)
    assert "loss 2.500" in str(shown[0])


def test_alignment_shows_its_own_metric_of_the_step_and_of_held_out_data(shown):
    metric = "validation/rewards/accuracies"
    module = SimpleNamespace(step_loss=0.5, validation={metric: 0.75}, metric=metric)
    module.step_metrics = {"rewards/accuracies": 0.25, "rewards/margins": 0.1}
    progress = Progress(every=1)
    two = {"num_replicas": 2, "rank": 0}
    progress.on_train_start(trainer(global_step=0), module)
    progress.on_validation_end(trainer(global_step=0), module)
    progress.on_train_batch_end(trainer(global_step=1, distributed_sampler_kwargs=two), module, None, None, 1)
    assert "rewards/accuracies 0.500" in str(shown[0])
    assert "0.750" in str(shown[0])

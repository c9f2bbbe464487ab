"""The bar counts steps, not micro-batches, and a resumed run continues it."""

import io
from types import SimpleNamespace

import pytest
from tqdm import tqdm

from lm.callbacks import Progress


@pytest.fixture
def shown(monkeypatch):
    """The text that the bar draws."""
    text = io.StringIO()
    monkeypatch.setattr(
        "lm.callbacks.progress.bar",
        lambda total, *, label, unit, done: tqdm(
            total=total, initial=done, desc=label, unit=unit, file=text, mininterval=0, miniters=1, ncols=90
        ),
    )
    return text


def trainer(**state) -> SimpleNamespace:
    common = {"max_steps": 10, "accumulate_grad_batches": 2, "default_root_dir": "out/pretrain/x"}
    common["distributed_sampler_kwargs"] = None  # single process
    return SimpleNamespace(**common | state)


def last_line(text: io.StringIO) -> str:
    return text.getvalue().rstrip("\r\n").rpartition("\r")[2].strip()


def test_a_resumed_bar_continues_in_whole_steps_with_loss_and_bits_per_byte(shown):
    progress = Progress(every=1, label="pretrain")
    module = SimpleNamespace(step_loss=2.5, validation={"validation/bits_per_byte": 1.25})
    progress.on_train_start(trainer(global_step=5), module)
    assert "pretrain" in last_line(shown)
    assert "5/10" in last_line(shown)
    progress.on_validation_end(trainer(global_step=5), module)
    for batch, step in ((10, 5), (11, 6)):
        progress.on_train_batch_end(trainer(global_step=step), module, None, None, batch)
    assert "6/10" in last_line(shown)
    assert "loss=2.500" in last_line(shown)
    assert "bits/byte=1.250" in last_line(shown)
    progress.teardown(trainer(global_step=6), module, "fit")


def test_the_loss_shown_estimates_that_of_all_ranks(shown):
    progress, module = Progress(every=1), SimpleNamespace(step_loss=1.25, validation={})
    progress.on_train_start(trainer(global_step=0), module)
    two = {"num_replicas": 2, "rank": 0}
    progress.on_train_batch_end(trainer(global_step=1, distributed_sampler_kwargs=two), module, None, None, 1)
    assert "loss=2.500" in last_line(shown)

"""What a training run says and keeps is what it did."""

import csv
import json
import signal
from math import log

import pytest
import torch

from lm.cli.call import call_job
from lm.corpus import Shards
from lm.optimizer import warmup_stable_decay
from support.training_runs import make_corpus, pretraining, run

STEPS, RATE = 12, 0.02


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A run in this very process, and the signal handlers before it and after."""
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in caught]
    root = tmp_path_factory.mktemp("trained")
    call_job(pretraining(corpus, root, "run", "data.validation_rows=null"))
    return root / "pretrain" / "run", before, [signal.getsignal(number) for number in caught]


def rows(directory) -> list[dict[str, str]]:
    with open(directory / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_signal_handlers_are_restored(trained):
    _, before, after = trained
    assert after == before


def test_the_logged_learning_rate_is_the_one_of_its_step(trained):
    logged = {int(row["step"]): float(row["train/learning_rate"]) for row in rows(trained[0]) if row["train/loss"]}
    expected = {
        step + 1: RATE * warmup_stable_decay(step, STEPS, warmup=0.02, decay=0.4, minimum=0.0) for step in range(STEPS)
    }
    assert logged == pytest.approx(expected)


def test_bits_per_byte_are_the_nats_of_all_targets_over_the_bytes_of_the_text(trained, corpus):
    result = json.loads((trained[0] / "manifest.json").read_text())["result"]
    for kind, counted in Shards(corpus, "validation").counts.items():
        nats = result[f"validation/loss/{kind}"] * counted["tokens"]
        assert result[f"validation/bits_per_byte/{kind}"] == pytest.approx(nats / counted["bytes"] / log(2))


def test_without_the_checkpoints_callback_the_last_weights_are_saved(corpus, tmp_path):
    signals = (
        f"+callbacks.killer={{_target_: support.killers.SignalAfterBatch, batches: 18, number: {int(signal.SIGTERM)}}}"
    )
    without = ("~callbacks.checkpoints", "run.name=run")
    assert run(pretraining(corpus, tmp_path, "run", *without, signals)) != 0
    assert run(pretraining(corpus, tmp_path, "run", *without)) == 0
    last = torch.load(tmp_path / "pretrain" / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == STEPS


@pytest.mark.parametrize(
    ("override", "output"),
    [
        ("+trainer.max_steps=3", r"trainer\.max_steps: the trainer says where and how a run is executed"),
        ("+trainer.limit_train_batches=8", r"trainer\.limit_train_batches: .* set it there"),
        (
            "callbacks.checkpoints.monitor=validation/los",
            r"monitor=validation/los is not a validation metric; choose one of: validation/loss",
        ),
    ],
)
def test_trainer_settings_that_change_the_result_are_refused(override, output, corpus, tmp_path):
    with pytest.raises(ValueError, match=output):
        call_job(pretraining(corpus, tmp_path, "run", override))


def test_a_run_does_not_resume_at_another_precision(corpus, tmp_path):
    """As where `auto` picks another on another machine."""
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 27}"
    assert run(pretraining(corpus, tmp_path, "run", "compute.precision=auto", killer)) == -signal.SIGKILL
    config = pretraining(corpus, tmp_path, "run", "compute.precision=auto")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lm.hardware.Compute.resolve_precision", lambda *_: "64-true")
        with pytest.raises(ValueError, match=r"started at 32-true and would resume at 64-true"):
            call_job(config)

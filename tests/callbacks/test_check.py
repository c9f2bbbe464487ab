"""Callbacks of Lightning work by YAML alone, and what they cannot do here is said before the first step."""

import pytest

from lm.cli.call import call_job
from lm.directory.manifest import read_manifest
from support.training_runs import make_corpus, pretraining

PL = "lightning.pytorch.callbacks"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            f"stop={{_target_: {PL}.EarlyStopping, monitor: val_loss}}",
            r"callbacks\.stop\.monitor=val_loss is not",
        ),
        (f"keep={{_target_: {PL}.ModelCheckpoint, monitor: los}}", r"callbacks\.keep\.monitor=los is not"),
        ("checkpoints.monitor=loss", r"callbacks\.checkpoints\.monitor=loss is not"),
        (
            f"s={{_target_: {PL}.GradientAccumulationScheduler, scheduling: {{0: 2}}}}",
            r"set budget\.batch_tokens",
        ),
    ],
)
def test_a_wrong_monitor_is_refused_before_the_first_step_with_the_metrics_there_are(
    callback, message, corpus, tmp_path
):
    plus = "" if callback.startswith("checkpoints") else "+"
    metrics = "" if "batch_tokens" in message else r" a validation metric; choose one of: validation/loss, .*/prose$"
    with pytest.raises(ValueError, match=message + metrics):
        call_job(pretraining(corpus, tmp_path, "run", f"{plus}callbacks.{callback}"))
    assert not (tmp_path / "pretrain").exists()


def test_a_monitor_without_validation_is_refused_but_for_our_own(corpus, tmp_path):
    stop = f"+callbacks.stop={{_target_: {PL}.EarlyStopping, monitor: validation/loss}}"
    with pytest.raises(ValueError, match=r"this run validates nothing; set validations above 0"):
        call_job(pretraining(corpus, tmp_path, "run", stop, "validations=0"))
    call_job(pretraining(corpus, tmp_path, "run", "validations=0", "budget.steps=1"))


def test_callbacks_of_lightning_stop_save_and_log(corpus, tmp_path):
    callbacks = (
        f"+callbacks.stop={{_target_: {PL}.EarlyStopping, monitor: validation/loss, min_delta: 100, patience: 1}}",
        f"+callbacks.keep={{_target_: {PL}.ModelCheckpoint, dirpath: {tmp_path}/kept, monitor: validation/loss}}",
        f"+callbacks.rate={{_target_: {PL}.LearningRateMonitor}}",
        f"+callbacks.bar={{_target_: {PL}.TQDMProgressBar}}",
    )
    flat = ("schedule=constant", "validations=6", "budget.rows_per_device=8", "budget.steps=6")
    call_job(pretraining(corpus, tmp_path, "run", *callbacks, *flat))
    directory = tmp_path / "pretrain" / "run"
    assert read_manifest(directory)["result"]["tokens"] == 2 * 256  # the second validation is not 100 nats better
    assert len([*(tmp_path / "kept").glob("*.ckpt")]) == 1

"""What a checkpoint says about its run, and random state and counters that follow from the step: exact resuming."""

import random

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer

from lm.callbacks.metrics_file import MetricsFile
from lm.checkpoint.files import IDENTITY
from lm.process.ranks import data_share

AHEAD = 64  # micro-batches whose seeds are computed at once, which costs a tenth of one at a time


class RunRecord(Callback):
    """Record in each checkpoint which run it is of; have metrics.csv on disk before it, and end with it on resume.

    Args:
        identity: `Run.identity` of the run.
    """

    def __init__(self, identity: str):
        self.identity = identity

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        checkpoint[IDENTITY] = self.identity
        for file in _metrics_files(trainer):
            trainer.strategy.checkpoint_io.first(file.syncing(trainer.global_step))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for file in _metrics_files(trainer):
            file.resume(trainer.global_step)


def _metrics_files(trainer: Trainer) -> list[MetricsFile]:
    return [logger for logger in trainer.loggers if isinstance(logger, MetricsFile)]


class RandomState(Callback):
    """Seed every generator before each micro-batch from (seed, micro-batch, data-parallel rank).

    Saved generator states fit only the same number of ranks, and only if nothing else drew from them: a sample
    printed between two steps would change every later dropout mask. A function of the step always fits.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._words: dict[int, tuple[int, int]] = {}  # of the next micro-batches

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        words = self._words.pop(batch_idx, None)
        if words is None:
            _, rank = data_share(trainer)  # ranks that share matrices must draw the same masks
            numbers = range(batch_idx, batch_idx + AHEAD)
            self._words = {number: seed_words(self.seed, number, rank) for number in numbers}
            words = self._words.pop(batch_idx)
        torch.default_generator.manual_seed(words[0])  # torch.manual_seed takes 0.5 ms: it asks every device there is
        device = trainer.strategy.root_device
        if device.type != "cpu":
            torch.get_device_module(device).manual_seed(words[0])
        np.random.seed(words[1])
        random.seed(words[0])


def seed_words(seed: int, micro_batch: int, rank: int) -> tuple[int, int]:
    """Return two seeds of 32 bits that follow from the seed of a run, a micro-batch of it and a data-parallel rank."""
    first, second = np.random.SeedSequence([seed, micro_batch, rank]).generate_state(2, np.uint32).tolist()
    return first, second


class StepCounters(Callback):
    """Set Lightning's counters of a loaded checkpoint from the optimizer step.

    Lightning stores a count for each phase of each loop; they depend on the hook that saved and on the number of
    micro-batches per step. Only the optimizer step means the same on another number of devices.
    """

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        step = checkpoint["global_step"]
        loop = checkpoint["loops"]["fit_loop"]
        fresh = trainer.fit_loop.state_dict()
        for name in fresh:
            if name.startswith("epoch_loop.val_loop"):
                loop[name] = fresh[name]
        batches = step * trainer.accumulate_grad_batches
        progress = loop["epoch_loop.batch_progress"]
        for scope in ("total", "current"):
            progress[scope] = dict.fromkeys(progress[scope], batches)
        progress["is_last_batch"] = False
        loop["epoch_loop.state_dict"]["_batches_that_stepped"] = step

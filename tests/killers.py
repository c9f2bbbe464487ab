"""Callbacks that kill their own process at a given moment, for the tests of resuming."""

import json
import os
import signal
import time
from pathlib import Path

import torch
from lightning import Callback


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillAfterBatch(Callback):
    """SIGKILL once that many micro-batches are done."""

    def __init__(self, batches: int):
        self.batches = batches

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx + 1 == self.batches:
            _kill()


class KillWhileSaving(Callback):
    """SIGKILL when half of the n-th checkpoint is on disk."""

    def __init__(self, saves: int):
        self.left = saves

    def on_train_start(self, trainer, pl_module) -> None:
        whole = torch.save

        def half(checkpoint, file) -> None:
            whole(checkpoint, file)
            self.left -= 1
            if self.left == 0:
                file.flush()
                size = Path(file.name).stat().st_size
                os.truncate(file.name, size // 2)
                _kill()

        torch.save = half


class SignalAfterBatch(Callback):
    """Send this process a signal once that many micro-batches are done."""

    def __init__(self, batches: int, number: int):
        self.batches, self.number = batches, number

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx + 1 == self.batches:
            os.kill(os.getpid(), self.number)


class KillAfterSaving(Callback):
    """SIGKILL as soon as the n-th checkpoint is in its place."""

    def __init__(self, saves: int):
        self.left = saves

    def on_train_start(self, trainer, pl_module) -> None:
        whole = trainer.save_checkpoint

        def save(*args, **settings) -> None:
            whole(*args, **settings)
            self.left -= 1
            if self.left == 0:
                _kill()

        trainer.save_checkpoint = save


class NoteRank(Callback):
    """Write down which process of which run this is."""

    def __init__(self, directory: str):
        self.directory = Path(directory)

    def on_train_start(self, trainer, pl_module) -> None:
        config = json.loads((Path(trainer.default_root_dir) / "config.json").read_text())
        note = {
            "process": os.getpid(),
            "rank": trainer.global_rank,
            "directory": trainer.default_root_dir,
            "seed": config["seed"],
        }
        (self.directory / f"rank-{os.getpid()}.json").write_text(json.dumps(note))


class FailOnRank(Callback):
    """Let one rank fail once that many micro-batches are done: with a bug, or killed; `idle` ones wait for ever."""

    def __init__(self, rank: int, batches: int, *, killed: bool = False, idle: bool = False):
        self.rank, self.batches, self.killed, self.idle = rank, batches, killed, idle

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx + 1 == self.batches:
            if trainer.global_rank == self.rank:
                _kill() if self.killed else self._fail()
            while self.idle:
                time.sleep(1)

    def _fail(self) -> None:
        raise RuntimeError("it had to be")


class Spoil(Callback):
    """Make a loss infinite, or with `gradient` only what it gives, in one micro-batch of some steps (from 1)."""

    def __init__(self, steps: list[int], *, micro: int = 0, rank: int = 0, gradient: bool = False):
        self.steps, self.micro, self.rank, self.gradient = steps, micro, rank, gradient
        self._here = False

    def on_train_start(self, trainer, pl_module) -> None:
        weight = next(pl_module.model.parameters())
        weight.register_hook(lambda gradient: gradient / (0.0 if self._here and self.gradient else 1.0))

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        step, micro = divmod(batch_idx, trainer.accumulate_grad_batches)
        self._here = step + 1 in self.steps and (micro, trainer.global_rank) == (self.micro, self.rank)
        if self._here and not self.gradient:
            batch.denominator = 0.0


class Jump(Callback):
    """A learning rate that is far too high at some steps (from 1), which spoils the weights."""

    def __init__(self, steps: list[int], *, factor: float = 1000.0):
        self.steps, self.factor = steps, factor

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        if trainer.global_step + 1 in self.steps:
            for group in optimizer.param_groups:
                group["lr"] *= self.factor  # until the schedule sets that of the next step


class LeaveOut(Callback):
    """No gradient at the steps from `first` to `last` (from 1), and so no change."""

    def __init__(self, first: int, last: int):
        self.steps = range(first, last + 1)

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        if trainer.global_step + 1 in self.steps:
            optimizer.zero_grad(set_to_none=True)

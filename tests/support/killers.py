"""Callbacks that kill their own process at a given moment, for the tests of resuming."""

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning import Callback

from lm.files import hash_bytes


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def log_while_wandb_ends(directory: str) -> None:
    """Kill wandb's own process between two metrics, as Slurm does, which signals all processes of a job."""
    from lm.callbacks import Wandb

    logger = Wandb(directory, project="lm")
    logger.log_metrics({"train/loss": 1.0}, step=1)
    [core] = [
        int(child)
        for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        if "wandb-core" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    os.kill(core, signal.SIGKILL)
    for step in range(2, 6):
        logger.log_metrics({"train/loss": 1.0}, step=step)
        time.sleep(0.2)
    logger.finalize("failed")


class KillAfterBatch(Callback):
    """SIGKILL once that many micro-batches are done, and the checkpoints before them are on disk."""

    def __init__(self, batches: int):
        self.batches = batches

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx + 1 == self.batches:
            trainer.strategy.checkpoint_io.wait()
            _kill()


class KillWhileSaving(Callback):
    """SIGKILL when half of the n-th checkpoint is on disk, or another share of it."""

    def __init__(self, saves: int, share: float = 0.5):
        self.left, self.share = saves, share

    def on_train_start(self, trainer, pl_module) -> None:
        whole = torch.save

        def half(checkpoint, file) -> None:
            whole(checkpoint, file)
            self.left -= 1
            if self.left == 0:
                file.flush()
                size = Path(file.name).stat().st_size
                os.truncate(file.name, int(size * self.share))
                _kill()

        torch.save = half


class SlowToPrepare(Callback):
    """Spend some seconds in C before the first micro-batch, as a gigantic one does, and note that in a file."""

    def __init__(self, seconds: float, note: str):
        self.seconds, self.note = seconds, Path(note)

    def on_train_start(self, trainer, pl_module) -> None:
        self.note.touch()
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:  # Python returns to it after a signal
            time.sleep(1)


class SlowWhileSaving(Callback):
    """Stay half-way through each checkpoint for some seconds, as on a slow disk, and note that in a file."""

    def __init__(self, seconds: float, note: str):
        self.seconds, self.note = seconds, Path(note)

    def on_train_start(self, trainer, pl_module) -> None:
        whole = torch.save

        def slow(checkpoint, file) -> None:
            file.write(b"half of a checkpoint")
            file.flush()
            self.note.touch()
            time.sleep(self.seconds)
            file.seek(0)
            whole(checkpoint, file)

        torch.save = slow


class SignalAfterBatch(Callback):
    """Send this process a signal once that many micro-batches are done."""

    def __init__(self, batches: int, number: int):
        self.batches, self.number = batches, number

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx + 1 == self.batches:
            os.kill(os.getpid(), self.number)


class SignalInValidation(Callback):
    """Send this process a signal in the validation after that many steps."""

    def __init__(self, step: int, number: int):
        self.step, self.number = step, number

    def on_validation_start(self, trainer, pl_module) -> None:
        if trainer.global_step == self.step:
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
                trainer.strategy.checkpoint_io.wait()
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


class Trail(Callback):
    """Write down what decides a run, as it goes: the ids of each micro-batch, the draws after it, and what will follow.

    A line a record, by every process of a run; a killed one may leave half a line. `ahead` micro-batches are asked for
    when training starts, though the run may end before them.
    """

    def __init__(self, file: str, ahead: int):
        self.file, self.ahead = Path(file), ahead

    def on_train_start(self, trainer, pl_module) -> None:
        data_plan = trainer.datamodule.data_plan
        plan = data_plan.plan
        batches = replace(data_plan, plan=replace(plan, steps=plan.steps + self.ahead)).training_batches(rank=0)
        start = trainer.global_step * plan.accumulate
        self._note({"start": start, "planned": [_ids(batches[start + number]) for number in range(self.ahead)]})

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        draws = [
            float(torch.rand(())),
            float(np.random.rand()),
            random.random(),
        ]  # seeded again before each micro-batch
        self._note({"batch": batch_idx, "ids": _ids(batch), "draws": draws, "loss": float(pl_module.step_loss)})

    def _note(self, record: dict) -> None:
        with open(self.file, "a") as file:
            file.write(f"\n{json.dumps(record)}")


def _ids(batch) -> str:
    return hash_bytes(b"".join(field.numpy().tobytes() for field in (batch.tokens, batch.targets, batch.supervised)))


class Slow(Callback):
    """Take that many seconds more for each micro-batch, so that a run can be met on its way."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        time.sleep(self.seconds)


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

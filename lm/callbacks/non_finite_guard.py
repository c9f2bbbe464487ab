"""A step whose loss or gradient is no number ends the run before anything of it is saved, or is skipped."""

import sys

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lm.bounds import Count, Natural


class NonFiniteGuard(Callback):
    """Look at the gradient's norm, which is the same on all ranks, and tell step and documents where it is not finite.

    Up to `skip` steps of the run are skipped, as if they had not been: weights and moments stay, the schedule and the
    data go on. That waits for the device once a step. With none to skip the run ends, found out at the latest `every`
    steps after, for which nothing waits, or by whoever is about to save or to validate.
    """

    def __init__(self, *, skip: Natural = 0, every: Count = 10):
        self.skip, self.every = skip, every
        self.skipped: list[int] = []
        self._first: Tensor | int = -1  # not yet looked at: the first step whose gradient is not finite, -1 for none
        self._losses: dict[int, list[Tensor]] = {}  # by step, of this rank's micro-batches

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.skips_not_finite = self.skip > 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        last = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        step = trainer.global_step if last else trainer.global_step + 1
        self._losses.setdefault(step, []).append(outputs["loss"].detach())
        if last:
            norm = pl_module.gradient_norm
            here = torch.where(torch.isfinite(norm), -1, step)
            self._first = here if isinstance(self._first, int) else torch.where(self._first < 0, here, self._first)
            if self.skip or step % self.every == 0:
                self._look(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        self._look(trainer)

    @property
    def without_effect(self) -> list[tuple[int, int]]:
        """First and last of the steps that changed nothing."""
        return [(step, step) for step in self.skipped]

    def state_dict(self) -> dict:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict) -> None:
        self.skipped = [*state_dict["skipped"]]

    def _look(self, trainer: Trainer) -> None:
        step, self._first = int(self._first), -1  # waits for the device
        if step < 0:
            self._losses = {number: losses for number, losses in self._losses.items() if number > trainer.global_step}
            return
        told = _told(trainer, step, self._losses.pop(step))
        if len(self.skipped) >= self.skip:
            first = f"after {len(self.skipped)} that were skipped, " if self.skipped else ""
            raise ValueError(
                f"{first}{told}. Nothing from that step on is saved; the same command goes on from the last "
                "checkpoint. Look at what was read, lower optimizer.learning_rate, or skip such steps: "
                f"callbacks.finite.skip={self.skip + 10}"
            )
        self.skipped.append(step)
        for logger in trainer.loggers:
            logger.log_metrics({"train/skipped_steps": len(self.skipped)}, step=step)
        if trainer.is_global_zero:
            print(f"skipped: {told}", file=sys.stderr)


def _told(trainer: Trainer, step: int, losses: list[Tensor]) -> str:
    """What was not finite at that step, and what it read; all ranks ask at the same time."""
    own = [micro for micro, loss in enumerate(losses) if not torch.isfinite(loss)]
    everyone = [own] * trainer.world_size
    if trainer.world_size > 1:
        torch.distributed.all_gather_object(everyone, own)
    found = [(micro, rank) for rank, micros in enumerate(everyone) for micro in micros]
    where = ", ".join(f"micro-batch {micro + 1} of rank {rank}" for micro, rank in found[:4])
    what = f"the loss is not finite in {where}" if found else "the gradient is not finite, though every loss is"
    return f"step {step}: {what}, which read {trainer.datamodule.contents(step, found or None)}"

"""End the run, or skip the step, if a loss or gradient is not finite."""

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from lm.bounds import Count, Natural
from lm.callbacks.run_callback import RunCallback
from lm.progress import Console


class NonFiniteGuard(RunCallback):
    """Check that the gradient norm is finite; otherwise skip the step or end the run, naming step and documents.

    Nothing of such a step is ever saved. The norm is the same on all ranks. A skipped step changes neither weights nor
    moments; the schedule and the data advance. Skipping waits for the device once per step. With `skip=0` nothing
    waits: the run ends at most `every` steps later, and always before the next checkpoint or validation.

    Args:
        skip: Maximum number of non-finite steps to skip before the run ends; 0 ends it at the first.
        every: Steps between checks when `skip` is 0.
    """

    def __init__(self, *, skip: Natural = 0, every: Count = 10):
        self.skip, self.every = skip, every
        self.skipped: list[int] = []
        self._norms: dict[int, Tensor] = {}  # step → norm of its gradient, on the device, until it is checked
        self._losses: dict[int, list[Tensor]] = {}  # step → losses of this rank's micro-batches

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.skip_non_finite = self.skip > 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        last = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        step = trainer.global_step if last else trainer.global_step + 1
        self._losses.setdefault(step, []).append(outputs["loss"])
        if last:
            self._norms[step] = pl_module.gradient_norm
            if self.skip or step % self.every == 0:
                self._check(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        self._check(trainer)

    @property
    def steps_without_effect(self) -> list[tuple[int, int]]:
        return [(step, step) for step in self.skipped]

    def state_dict(self) -> dict:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict) -> None:
        self.skipped = [*state_dict["skipped"]]

    def _check(self, trainer: Trainer) -> None:
        norms, self._norms = self._norms, {}
        finite = torch.isfinite(torch.stack([*norms.values()])).tolist() if norms else []  # waits for the device
        step = next((number for number, each in zip(norms, finite, strict=True) if not each), None)
        if step is None:
            self._losses = {number: losses for number, losses in self._losses.items() if number > trainer.global_step}
            return
        description = _describe(trainer, step, self._losses.pop(step))
        if len(self.skipped) >= self.skip:
            before = f"{len(self.skipped)} steps were skipped before; " if self.skipped else ""
            raise ValueError(
                f"{before}{description}. Nothing from that step on is saved; run the same command again to resume from "
                "the last checkpoint. Inspect these rows, lower optimizer.learning_rate, or skip such steps: "
                f"callbacks.non_finite.skip={self.skip + 10}"
            )
        self.skipped.append(step)
        for logger in trainer.loggers:
            logger.log_metrics({"train/skipped_steps": len(self.skipped)}, step=step)
        Console("train").warn(f"skipped {description}")


def _describe(trainer: Trainer, step: int, losses: list[Tensor]) -> str:
    """Describe what was not finite at the step and which rows it read. Collective: all ranks call it together."""
    own = [micro for micro, loss in enumerate(losses) if not torch.isfinite(loss)]
    everyone = [own] * trainer.world_size
    if trainer.world_size > 1:
        torch.distributed.all_gather_object(everyone, own)
    places = [(micro, rank) for rank, micros in enumerate(everyone) for micro in micros]
    where = ", ".join(f"micro-batch {micro + 1} of rank {rank}" for micro, rank in places[:4])
    what = f"the loss is not finite in {where}" if places else "the gradient is not finite, though every loss is"
    return f"step {step}: {what}, which read {trainer.datamodule.data_plan.describe_step(step, places or None)}"

"""Detect loss spikes and roll back: earlier weights, past the data of the spike.

Chowdhery et al. 2022 (PaLM, §5.1) restarted by hand from about 100 steps before a spike and skipped 200 to 500
batches; the same batches did no harm to other weights.
"""

from math import isfinite
from pathlib import Path
from statistics import median

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from lm.bounds import Count, Natural, Positive
from lm.callbacks.run_callback import RunCallback
from lm.checkpoint.files import checkpoint_path
from lm.progress import Console


class LossSpikeGuard(RunCallback):
    """Detect loss spikes, report them, and optionally roll back.

    A loss is a spike if it exceeds the median of the last `window` losses by `threshold` robust deviations and by
    `rise` nats. A rollback restores weights and moments of the newest snapshot that is at least `snapshot_every` / 2
    steps older than the spike. Only they go back: step, schedule and data advance, so the steps in between have the
    same effect as skipped ones, and order and account of the data stay the same. Two snapshots are stored.

    Args:
        roll_back: Whether to roll back; otherwise a spike is only reported, and training does not change.
        window: Steps in the running median. No spike is detected before this many steps.
        threshold: Robust deviations (1.4826 × MAD, Leys et al. 2013) above the median that count as a spike.
        rise: Minimum excess over the median, in nats per supervised token; keeps a very smooth loss from triggering.
        every: Steps between checks; each waits for the device.
        snapshot_every: Steps between snapshots of weights and moments, each a checkpoint on disk; at least 2 × `every`.
        max_rollbacks: Rollbacks after which the next spike ends the run.

    Raises:
        ValueError: A spike after `max_rollbacks` rollbacks, or `snapshot_every` is too small.
    """

    def __init__(
        self,
        *,
        roll_back: bool = False,
        window: Count = 128,
        threshold: Positive = 8.0,
        rise: Positive = 0.3,
        every: Count = 10,
        snapshot_every: Count = 100,
        max_rollbacks: Natural = 5,
    ):
        if roll_back and snapshot_every < 2 * every:
            raise ValueError(
                f"callbacks.loss_spikes.snapshot_every={snapshot_every} is less than "
                f"2 × callbacks.loss_spikes.every={every}; raise it to {2 * every}"
            )
        self.roll_back, self.window, self.threshold, self.rise = roll_back, window, threshold, rise
        self.every, self.snapshot_every, self.max_rollbacks = every, snapshot_every, max_rollbacks
        self.losses: list[float] = []  # nats per supervised token of the last `window` steps without spikes
        self.snapshots: list[int] = []  # steps whose weights and moments are on disk
        self.undone: list[tuple[int, int]] = []  # first and last step of each rollback
        self._local: list[Tensor] = []  # this rank's parts of the losses since the last reduction
        self._unchecked: list[float] = []  # reduced losses since the last check
        self._quiet_until = 0  # step up to which a spike that lasts is not reported again
        self._checkpointed: list[int] = []  # snapshots that the last checkpoint refers to
        self._writing_snapshot = False

    @property
    def steps_without_effect(self) -> list[tuple[int, int]]:
        return self.undone

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._checkpointed = [*self.snapshots]
        if self.roll_back and not self.snapshots:
            self._write_snapshot(trainer)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        """Remove snapshots that no checkpoint refers to; the files of the previous step are complete by now."""
        if self.roll_back and trainer.is_global_zero and batch_idx % trainer.accumulate_grad_batches == 0:
            needed = {*self.snapshots, *self._checkpointed}
            surplus = [file for file in _snapshot_files(trainer) if int(file.stem.partition("-")[2]) not in needed]
            if surplus:
                trainer.strategy.checkpoint_io.wait()  # for the checkpoint that refers to others
            for file in surplus:
                file.unlink()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self._local.append(pl_module.step_loss.detach().clone())
        step = trainer.global_step
        snapshot = self.roll_back and step % self.snapshot_every == 0
        if step % self.every == 0 or snapshot or step == trainer.max_steps:
            self._check(trainer)
        if snapshot and step < trainer.max_steps:
            self._write_snapshot(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            for file in _snapshot_files(trainer):
                file.unlink()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        self._reduce(trainer)
        checkpoint["callbacks"][self.state_key] = self.state_dict()
        if not self._writing_snapshot:
            self._checkpointed = [*self.snapshots]

    def state_dict(self) -> dict:
        return {
            "losses": [*self.losses],
            "unchecked": [*self._unchecked],
            "snapshots": [*self.snapshots],
            "undone": [[*steps] for steps in self.undone],
            "quiet_until": self._quiet_until,
        }

    def load_state_dict(self, state_dict: dict) -> None:
        self.losses, self._unchecked = [*state_dict["losses"]], [*state_dict["unchecked"]]
        self.snapshots, self._quiet_until = [*state_dict["snapshots"]], state_dict["quiet_until"]
        self.undone = [tuple(steps) for steps in state_dict["undone"]]

    def _reduce(self, trainer: Trainer) -> None:
        """Sum the losses over all ranks. Collective: all ranks call it at the same step."""
        if self._local:
            losses, self._local = torch.stack(self._local), []
            if trainer.world_size > 1:
                losses = trainer.strategy.reduce(losses, reduce_op="sum")
            self._unchecked += losses.tolist()

    def _check(self, trainer: Trainer) -> None:
        self._reduce(trainer)
        losses, self._unchecked = self._unchecked, []
        first = trainer.global_step - len(losses) + 1
        for step, loss in enumerate(losses, first):
            usual = self._median_if_spike(loss)
            if usual is not None and self._handle(trainer, step, f"loss {loss:.3f}, median {usual:.3f}"):
                return
            if isfinite(loss):  # NonFiniteGuard handles the others
                self.losses = [*self.losses, loss][-self.window :]

    def _median_if_spike(self, loss: float) -> float | None:
        """Return the running median if `loss` is a spike, else None."""
        if len(self.losses) < self.window:
            return None
        usual = median(self.losses)
        deviation = 1.4826 * median(abs(value - usual) for value in self.losses)
        return usual if isfinite(loss) and loss > usual + max(self.rise, self.threshold * deviation) else None

    def _handle(self, trainer: Trainer, spike: int, description: str) -> bool:
        """Report the spike and roll back if possible; return whether the weights were restored."""
        now, older = trainer.global_step, [step for step in self.snapshots if step <= spike - self.snapshot_every // 2]
        description = f"step {spike}: {description}, after {trainer.datamodule.data_plan.describe_step(spike)}"
        if not (self.roll_back and older):
            if spike > self._quiet_until:
                Console("train").warn(f"loss spike at {description}")
            self._quiet_until = max(self._quiet_until, spike + self.window)
            return False
        if len(self.undone) >= self.max_rollbacks:
            raise ValueError(
                f"loss spike at {description}; {self.max_rollbacks} spikes were rolled back before: lower "
                "optimizer.learning_rate, inspect the data, or raise callbacks.loss_spikes.max_rollbacks"
            )
        _restore(trainer, _snapshot_file(trainer, older[-1]))
        self.snapshots = older
        self.undone.append((older[-1] + 1, now))
        undone = sum(last - first + 1 for first, last in self.undone)
        for logger in trainer.loggers:
            logger.log_metrics({"train/undone_steps": undone}, step=now)
        Console("train").warn(f"loss spike at {description}: rolled back steps {older[-1] + 1} to {now}")
        return True

    def _write_snapshot(self, trainer: Trainer) -> None:
        self.snapshots, self._writing_snapshot = [*self.snapshots, trainer.global_step][-2:], True
        trainer.save_checkpoint(_snapshot_file(trainer, trainer.global_step))
        self._writing_snapshot = False


def _snapshot_file(trainer: Trainer, step: int | str) -> Path:
    return checkpoint_path(trainer.default_root_dir, f"snapshot-{step}")


def _snapshot_files(trainer: Trainer) -> list[Path]:
    pattern = _snapshot_file(trainer, "*")
    return list(pattern.parent.glob(pattern.name))


def _restore(trainer: Trainer, file: Path) -> None:
    """Load weights and moments from a checkpoint; the learning rate stays that of the present step."""
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in trainer.optimizers]
    checkpoint = trainer.strategy.load_checkpoint(file, weights_only=True)
    trainer.strategy.load_model_state_dict(checkpoint, strict=True)
    trainer.strategy.load_optimizer_state_dict(checkpoint)
    for optimizer, before in zip(trainer.optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, before, strict=True):
            group["lr"] = rate

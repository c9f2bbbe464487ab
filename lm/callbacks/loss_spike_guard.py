"""A loss that leaps is told, and what came of it is undone: the run goes on from the weights of before, past its data.

Chowdhery et al. 2022 (PaLM, §5.1) began again from about 100 steps before a spike and left out 200 to 500 batches; the
same batches did no harm from other weights. They did it by hand.
"""

import sys
from math import isfinite
from pathlib import Path
from statistics import median

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lm.bounds import Count, Natural, Positive
from lm.checkpoint.checkpoint import checkpoint_path


class LossSpikeGuard(Callback):
    """Hold each step's loss against the last `window` of them, and tell one that is a spike, or `roll_back`.

    A spike is `threshold` robust deviations (1.4826 × the median distance from the median) and `rise` nats above their
    median. Looking waits for the device, so it is done every `every` steps. To roll back, weights and moments are kept
    in a file every `keep` steps, two of them, and those are taken that are at least half as many steps older than the
    spike. Only they go back: step, schedule and data go on, so the steps in between are as if they had been skipped,
    and order and account of the data stay what they are. After `most` times the run ends.
    """

    def __init__(
        self,
        *,
        roll_back: bool = False,
        window: Count = 128,
        threshold: Positive = 8.0,
        rise: Positive = 0.3,
        every: Count = 10,
        keep: Count = 100,
        most: Natural = 5,
    ):
        if roll_back and keep < 2 * every:
            raise ValueError(f"callbacks.spikes.keep={keep}: must be at least 2 × callbacks.spikes.every={every}")
        self.roll_back, self.window, self.threshold, self.rise = roll_back, window, threshold, rise
        self.every, self.keep, self.most = every, keep, most
        self.losses: list[float] = []  # nats a supervised target, of the last steps that were no spikes
        self.kept: list[int] = []  # steps whose weights and moments lie in files
        self.undone: list[tuple[int, int]] = []  # first and last of the steps that were
        self._shares: list[Tensor] = []  # of this rank in the losses of the steps since the last look
        self._seen: list[float] = []  # those losses, as far as a checkpoint had to have them before
        self._quiet_until = 0  # step up to which a spike that stays is not told again
        self._named: list[int] = []  # the kept steps that the last checkpoint speaks of
        self._keeping = False

    @property
    def without_effect(self) -> list[tuple[int, int]]:
        return self.undone

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._named = [*self.kept]
        if self.roll_back and not self.kept:
            self._keep(trainer)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        """Remove what no checkpoint would need any more: by now those of the step before are in their places."""
        if self.roll_back and trainer.is_global_zero and batch_idx % trainer.accumulate_grad_batches == 0:
            for file in checkpoint_path(trainer.default_root_dir, "x").parent.glob("before-*.ckpt"):
                if int(file.stem.partition("-")[2]) not in {*self.kept, *self._named}:
                    file.unlink()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self._shares.append(pl_module.step_loss.detach().clone())
        step, keeps = trainer.global_step, self.roll_back and trainer.global_step % self.keep == 0
        if step % self.every == 0 or keeps or step == trainer.max_steps:
            self._look(trainer)
        if keeps and step < trainer.max_steps:
            self._keep(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            for file in checkpoint_path(trainer.default_root_dir, "x").parent.glob("before-*.ckpt"):
                file.unlink()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        self._settle(trainer)
        checkpoint["callbacks"][self.state_key] = self.state_dict()
        if not self._keeping:
            self._named = [*self.kept]

    def state_dict(self) -> dict:
        return {
            "losses": [*self.losses],
            "seen": [*self._seen],
            "kept": [*self.kept],
            "undone": [[*steps] for steps in self.undone],
            "quiet_until": self._quiet_until,
        }

    def load_state_dict(self, state_dict: dict) -> None:
        self.losses, self._seen = [*state_dict["losses"]], [*state_dict["seen"]]
        self.kept, self._quiet_until = [*state_dict["kept"]], state_dict["quiet_until"]
        self.undone = [tuple(steps) for steps in state_dict["undone"]]

    def _settle(self, trainer: Trainer) -> None:
        """Have the losses of all ranks as numbers; all ranks come here at the same step."""
        if self._shares:
            shares, self._shares = torch.stack(self._shares), []
            if trainer.world_size > 1:
                shares = trainer.strategy.reduce(shares, reduce_op="sum")
            self._seen += shares.tolist()

    def _look(self, trainer: Trainer) -> None:
        self._settle(trainer)
        seen, self._seen = self._seen, []
        first = trainer.global_step - len(seen) + 1
        for step, loss in enumerate(seen, first):
            usual = self._exceeded(loss)
            if usual is not None and self._undo(trainer, step, f"a loss of {loss:.3f}, where {usual:.3f} was usual"):
                return
            if isfinite(loss):  # what is not is another callback's concern
                self.losses = [*self.losses, loss][-self.window :]

    def _exceeded(self, loss: float) -> float | None:
        """The usual loss, if this one is a spike."""
        if len(self.losses) < self.window:
            return None
        usual = median(self.losses)
        deviation = 1.4826 * median(abs(each - usual) for each in self.losses)
        return usual if isfinite(loss) and loss > usual + max(self.rise, self.threshold * deviation) else None

    def _undo(self, trainer: Trainer, spike: int, told: str) -> bool:
        """Tell it; whether the weights are those of before."""
        now, before = trainer.global_step, [step for step in self.kept if step <= spike - self.keep // 2]
        told = f"step {spike}: {told}, after {trainer.datamodule.contents(spike)}"
        if not (self.roll_back and before):
            if spike > self._quiet_until and trainer.is_global_zero:
                print(f"spike: {told}", file=sys.stderr)
            self._quiet_until = max(self._quiet_until, spike + self.window)
            return False
        if len(self.undone) >= self.most:
            raise ValueError(
                f"{told}; {self.most} spikes were rolled back before: lower optimizer.learning_rate, look at the data, "
                "or raise callbacks.spikes.most"
            )
        _take_back(trainer, self._file(trainer, before[-1]))
        self.kept = before
        self.undone.append((before[-1] + 1, now))
        undone = sum(last - first + 1 for first, last in self.undone)
        for logger in trainer.loggers:
            logger.log_metrics({"train/undone_steps": undone}, step=now)
        if trainer.is_global_zero:
            print(f"spike: {told}: steps {before[-1] + 1} to {now} are undone", file=sys.stderr)
        return True

    def _keep(self, trainer: Trainer) -> None:
        self.kept, self._keeping = [*self.kept, trainer.global_step][-2:], True
        trainer.save_checkpoint(self._file(trainer, trainer.global_step))
        self._keeping = False

    @staticmethod
    def _file(trainer: Trainer, step: int) -> Path:
        return checkpoint_path(trainer.default_root_dir, f"before-{step}")


def _take_back(trainer: Trainer, file: Path) -> None:
    """Weights and moments from a checkpoint; the learning rate stays that of the present step."""
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in trainer.optimizers]
    checkpoint = trainer.strategy.load_checkpoint(file, weights_only=True)
    trainer.strategy.load_model_state_dict(checkpoint, strict=True)
    trainer.strategy.load_optimizer_state_dict(checkpoint)
    for optimizer, before in zip(trainer.optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, before, strict=True):
            group["lr"] = rate

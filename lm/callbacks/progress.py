"""The progress bar of a training run: steps, time so far and left, loss, tokens per second, what validation found."""

from collections.abc import Iterable

from lightning import Callback, LightningModule, Trainer

from lm.batch import Batch
from lm.bounds import Count
from lm.process.ranks import data_share
from lm.progress import Fact, bar


class Progress(Callback):
    """Show a bar of steps with the loss, the speed and, once validated, bits per byte.

    Alignment shows its own metric beside the loss: the accuracy on the pairs of the step, or the mean reward.

    Args:
        every: Steps between reads of the loss; each read waits for the device.
        label: Name in front of the bar.
    """

    def __init__(self, *, every: Count = 10, label: str = "train"):
        self.every, self.label = every, label
        self._bar = None
        self._loss: list[Fact] = []
        self._validated: list[Fact] = []
        self.share_per_token = 0.0  # of a second of the machine's peak; 0 where that is not known

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bar = bar(trainer.max_steps, label=self.label, unit="steps", done=trainer.global_step)
        plan = trainer.datamodule.data_plan.plan
        self._bar.facts = lambda: self._facts(plan.rows_per_step * plan.row_tokens)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch: Batch, batch_idx: int) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if trainer.global_step % self.every == 0:
            ranks, _ = data_share(trainer)
            loss = f"{float(pl_module.step_loss) * ranks:.3f}"  # estimated from this rank's part
            self._loss = [Fact(f"loss {loss}", f"loss {loss}", loss)]
            name = pl_module.metric.removeprefix("validation/")
            if name in pl_module.step_metrics:
                value = f"{float(pl_module.step_metrics[name]) * ranks:.3f}"
                self._loss.append(Fact(f"{name} {value}", f"{name.rpartition('/')[2]} {value}"))
        self._bar.update()

    def _facts(self, tokens: int) -> list[Fact]:
        """What the bar shows after the time, for steps of so many tokens."""
        speed = self._bar.speed(tokens)
        known = [Fact(f"{speed} tokens/s", f"{speed} tok/s", f"{speed}/s")] if self._bar.units_per_second else []
        rate = self._bar.units_per_second * tokens
        peak = [Fact(f"{rate * self.share_per_token:.0%} of peak")] if known and self.share_per_token else []
        return [*self._loss, *known, *peak, *self._validated]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metric = pl_module.metric
        if "validation/bits_per_byte" in pl_module.validation:
            bits = f"{pl_module.validation['validation/bits_per_byte']:.3f}"
            self._validated = [Fact(f"{bits} bits/byte")]
        elif metric in pl_module.validation:
            value = f"{pl_module.validation[metric]:.3f}"
            self._validated = [Fact(f"held out {metric.removeprefix('validation/')} {value}", f"held out {value}")]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def judge_by_peak(callbacks: Iterable[Callback], share_per_token: float) -> None:
    """Have the bars show the speed as a share of what the machine can do.

    Args:
        callbacks: Callbacks of a run.
        share_per_token: FLOPs of a token, by those that all devices can do in a second.
    """
    for each in callbacks:
        if isinstance(each, Progress):
            each.share_per_token = share_per_token

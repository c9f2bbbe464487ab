"""Log training and validation metrics, at an interval.

`LightningModule.log` costs 0.3–0.4 ms per metric at *every* step, whatever the logging interval; this is one call to
the loggers on every `every`-th step, and the only place that waits for a GPU.
"""

from time import perf_counter

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lm.batch import Batch
from lm.bounds import Count
from lm.process.ranks import sum_over_ranks


class Metrics(Callback):
    """Log loss, learning rate, gradient norm and throughput of training, the objective's own metrics, and validations.

    Args:
        every: Optimizer steps between rows of `train/` metrics; each waits for the device. The last step is always
            logged.
    """

    def __init__(self, *, every: Count = 10):
        self.every = every
        self._since: tuple[float, int] = (0.0, 0)  # time and step of the last reading of the clock
        self._validating = 0.0  # seconds of validation since then
        self._validation_start = 0.0
        self._rate = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since, self._validating = (perf_counter(), trainer.global_step), 0.0

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self._rate = optimizer.param_groups[0]["lr"]  # of this step: at its end the schedule is one ahead

    def on_train_batch_end(self, trainer, pl_module, outputs, batch: Batch, batch_idx: int) -> None:
        step = trainer.global_step
        if (batch_idx + 1) % trainer.accumulate_grad_batches or (step % self.every and step != trainer.max_steps):
            return
        loss = float(sum_over_ranks(trainer, pl_module.step_loss))  # waits for the device
        now, (then, from_step) = perf_counter(), self._since
        plan = trainer.datamodule.data_plan.plan
        rate = (step - from_step) * plan.rows_per_step * plan.row_tokens / max(1e-9, now - then - self._validating)
        self._since, self._validating = (now, step), 0.0
        _log(
            trainer,
            {
                "train/loss": loss,
                "train/learning_rate": self._rate,
                "train/gradient_norm": float(pl_module.gradient_norm),
                "train/tokens": step * plan.rows_per_step * plan.row_tokens,
                "train/tokens_per_second": rate,
                **_summed(trainer, pl_module.step_metrics),
                **{f"train/{name}": value for name, value in pl_module.load_metrics().items()},
            },
        )

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation_start = perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validating += perf_counter() - self._validation_start
        _log(trainer, pl_module.validation)


def _summed(trainer: Trainer, parts: dict[str, Tensor]) -> dict[str, float]:
    """Sum the parts of all ranks in one exchange, under the names that are logged."""
    if not parts:
        return {}
    device = trainer.strategy.root_device
    table = torch.stack([part.to(device, torch.float64 if device.type == "cpu" else None) for part in parts.values()])
    return {f"train/{name}": float(value) for name, value in zip(parts, sum_over_ranks(trainer, table), strict=True)}


def _log(trainer: Trainer, metrics: dict[str, float]) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(metrics, step=trainer.global_step)

"""Training metrics, logged on log steps only.

`LightningModule.log` costs 0.3–0.4 ms a metric at *every* step, whatever the logging interval; this is one call to
the loggers on every `every`-th step, and it is the only place where a GPU is waited for.
"""

from time import perf_counter

from lightning import Callback, LightningModule, Trainer

from lm.batch import Batch
from lm.bounds import Count
from lm.process.ranks import sum_over_ranks


class Metrics(Callback):
    """Loss, learning rate, gradient norm and throughput while training, and what validation found."""

    def __init__(self, *, every: Count = 10):
        self.every = every
        self._since: tuple[float, int] = (0.0, 0)  # when and at which step the clock was last read
        self._waited = 0.0  # seconds of validation since then
        self._validation_began = 0.0
        self._rate = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since, self._waited = (perf_counter(), trainer.global_step), 0.0

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self._rate = optimizer.param_groups[0]["lr"]  # of this step: at its end the schedule is one ahead

    def on_train_batch_end(self, trainer, pl_module, outputs, batch: Batch, batch_idx: int) -> None:
        step = trainer.global_step
        if (batch_idx + 1) % trainer.accumulate_grad_batches or (step % self.every and step != trainer.max_steps):
            return
        loss = float(sum_over_ranks(trainer, pl_module.step_loss))  # waits for the device
        now, (then, from_step) = perf_counter(), self._since
        plan = trainer.datamodule.plan
        rate = (step - from_step) * plan.rows_per_step * plan.context / max(1e-9, now - then - self._waited)
        self._since, self._waited = (now, step), 0.0
        _log(
            trainer,
            {
                "train/loss": loss,
                "train/learning_rate": self._rate,
                "train/gradient_norm": float(pl_module.gradient_norm),
                "train/tokens": step * plan.rows_per_step * plan.context,
                "train/tokens_per_second": rate,
            },
        )

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation_began = perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._waited += perf_counter() - self._validation_began
        _log(trainer, pl_module.validation)


def _log(trainer: Trainer, metrics: dict[str, float]) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(metrics, step=trainer.global_step)

"""The callback by which a search prunes its jobs at their validations; the search adds it to them."""

from collections.abc import Callable
from typing import Any

from lightning import Callback, LightningModule, Trainer

from lm.bounds import Natural
from lm.checkpoint.files import save
from lm.sweep.comparison import Comparison, Report, read_reports, write_reports
from lm.sweep.job import Pruned
from lm.sweep.metric import Metric


class Pruning(Callback):
    """Report each validation, and end the run after one at which `pruner` prunes the trial.

    The run ends before the next step, after other callbacks have saved: it is whole, and resumes if it is called
    without this callback. A run that was pruned and resumes with it ends at once. The first rank decides. After the
    last validation a run is complete, whatever it measured.

    Args:
        pruner: Factory of a pruner of Optuna.
        trials: File with the earlier trials, which the search writes.
        trial: Number of this trial in the study.
    """

    def __init__(self, *, pruner: Callable[[], Any], trials: str, trial: Natural):
        self.comparison = Comparison(pruner, trials=trials, number=trial)
        self._reports: list[Report] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        validations = -(-trainer.max_steps // _interval(trainer)) if trainer.enable_validation else 0
        if validations < 2:
            raise ValueError(
                f"hydra/sweeper/pruner: this run validates {('never', 'only at its end')[validations]}, so it cannot "
                "be pruned: hold out data, train more steps, set validations=2 or more, or leave out the pruner"
            )
        reports = read_reports(trainer.default_root_dir) if trainer.is_global_zero else []
        reports = trainer.strategy.broadcast(reports)
        self._reports = [each for each in reports if each.step <= trainer.global_step]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metric = pl_module.metric  # what training returns
        if metric not in pl_module.validation:
            measured = ", ".join(pl_module.validation)
            raise ValueError(f"hydra/sweeper/pruner: {metric}, which a search compares, is not among {measured}")
        step = trainer.global_step
        self._reports.append(Report(-(-step // _interval(trainer)), step, pl_module.validation[metric]))
        if trainer.is_global_zero:
            write_reports(trainer.default_root_dir, self._reports)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        validated = self._reports and self._reports[-1].step == trainer.global_step
        if not validated or batch_idx % trainer.accumulate_grad_batches:
            return
        values = {each.validation: each.value for each in self._reports}
        mode = pl_module.mode
        if trainer.strategy.broadcast(trainer.is_global_zero and self.comparison.unpromising(values, mode=mode)):
            save(trainer, "last")  # if no other callback has
            value = Metric(self._reports[-1].value, name=pl_module.metric, mode=mode)
            raise Pruned(value, step=trainer.global_step, steps=trainer.max_steps)


def _interval(trainer: Trainer) -> int:
    """Steps from one validation to the next."""
    return trainer.val_check_interval // trainer.accumulate_grad_batches

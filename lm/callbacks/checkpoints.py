"""Write the last and the best checkpoint, and always validate the last step.

Lightning's ModelCheckpoint stores absolute paths in its state and names files by metric; a run needs only two files
whose names say what they are.
"""

import math
from typing import Literal

from lightning import Callback, LightningModule, Trainer

from lm.bounds import Count
from lm.callbacks.run_callback import RunCallback
from lm.checkpoint.files import check_whole, checkpoint_path, keep_last, read_facts, save
from lm.checkpoint.sharded import remove_parts
from lm.optimizer import stable_steps
from lm.progress import Console


class Checkpoints(RunCallback):
    """Write `last.ckpt` every `every` steps and at the end, and `best.ckpt` whenever validation improves.

    If the schedule holds the learning rate and then lowers it, as `warmup_stable_decay` does, the checkpoint before
    the first lower rate is kept as `stable.ckpt`. From it a longer budget continues the run (`run.extend=true`), and a
    new run its weights (`model.which=stable`). It takes as much disk as `last.ckpt`: about 12 bytes per parameter.

    Training continues while a checkpoint is written, from a copy: 8 to 12 bytes of memory per parameter. A run that is
    killed in that moment resumes from the one before.

    A resumed run with another `monitor` compares its validations with the value that `best.ckpt` has by that metric. A
    `best.ckpt` that is missing or damaged is replaced at the next validation; both are reported in a line.

    Args:
        every: Optimizer steps between writes of `last.ckpt`. A killed run repeats at most this many steps, and those
            that were trained while it was written.
        monitor: Validation metric by which `best.ckpt` is the best; a column of metrics.csv, such as `validation/loss`
            or `validation/bits_per_byte`. null takes that of the objective: for pairs `validation/rewards/accuracies`.
        mode: Whether a lower or a higher value is better, min or max; null takes that of the objective for its own
            metric, and min for any other.
        stable: Whether to keep the checkpoint before the learning rate decays. Without it a run cannot be extended once
            the decay has begun.

    Raises:
        ValueError: No validation metric has the name `monitor`.
    """

    saves_last = True

    def __init__(
        self,
        *,
        every: Count = 200,
        monitor: str | None = "validation/loss",
        mode: Literal["min", "max"] | None = None,
        stable: bool = True,
    ):
        self.every, self.monitor, self.mode, self.stable = every, monitor, mode, stable
        self.best = math.inf  # negative where higher is better
        self._best_by = monitor  # the metric of `best`
        self._saved = 0
        self._stable = 0  # the step after which the rate falls; 0 for none

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.monitor is None:
            self.monitor = pl_module.metric
        if self.mode is None:
            self.mode = pl_module.mode if self.monitor == pl_module.metric else "min"
        self._best_by = self._best_by or self.monitor

    def _cost(self, validation: dict[str, float]) -> float:
        """The value of a validation, negative where higher is better."""
        self._check_monitor(validation)
        return validation[self.monitor] * (-1 if self.mode == "max" else 1)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = trainer.global_step
        if trainer.is_global_zero:
            directory = checkpoint_path(trainer.default_root_dir, "last").parent
            directory.mkdir(parents=True, exist_ok=True)
            for torn in directory.glob(".*.ckpt"):  # left by a writer that was killed
                torn.unlink()
            remove_parts(directory)
        self._stable = stable_steps(pl_module.schedule, pl_module.steps) if self.stable else 0
        self._keep_stable(trainer)  # a killed run may have saved it without its second name
        if self.best < math.inf:
            self.best, self._best_by = trainer.strategy.broadcast(self._examine_best(trainer)), self.monitor

    def _examine_best(self, trainer: Trainer) -> float:
        """The value of best.ckpt by `monitor`, on the first rank; infinity if it has to be replaced."""
        if not trainer.is_global_zero:
            return self.best
        file = checkpoint_path(trainer.default_root_dir, "best")
        try:
            check_whole(file)
            facts = read_facts(file)
            validation = facts["validation"]
            if facts["global_step"] > trainer.global_step:  # of steps that this run does again, perhaps another way
                return math.inf
        except Exception as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({error})"
            Console("train").warn(f"note: {file} is {reason}: the next validation writes another one")
            return math.inf
        value = self._cost(validation)
        if self._best_by != self.monitor:
            Console("train").warn(
                f"note: {file} was the best by {self._best_by}; by {self.monitor} it has "
                f"{validation[self.monitor]:.4g}, and the next better validation replaces it"
            )
        return math.inf if math.isnan(value) else value

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        step = trainer.global_step
        due = step % self.every == 0 or step in (trainer.max_steps, self._stable)
        if step > self._saved and due and not validation_follows(trainer, batch_idx):
            self._save(trainer, "last")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.datamodule.workers:  # which are forked now, and a thread must not be writing then
            trainer.strategy.checkpoint_io.wait()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = self._cost(pl_module.validation)
        if value < self.best:
            self.best = value
            self._save(trainer, "best")
        if trainer.global_step > self._saved:
            self._save(trainer, "last")

    def _check_monitor(self, validation: dict[str, float]) -> None:
        if self.monitor not in validation:
            raise ValueError(
                f"callbacks.checkpoints.monitor={self.monitor} is not a validation metric; choose one of: "
                f"{', '.join(validation)}"
            )

    def _save(self, trainer: Trainer, which: str) -> None:
        if which == "last":
            self._saved = trainer.global_step
        save(trainer, which, wait=False)
        if which == "last":
            self._keep_stable(trainer)

    def _keep_stable(self, trainer: Trainer) -> None:
        if trainer.is_global_zero and trainer.global_step and trainer.global_step == self._stable:
            trainer.strategy.checkpoint_io.wait()
            last = checkpoint_path(trainer.default_root_dir, "last")
            if last.exists() and read_facts(last)["global_step"] == self._stable:
                keep_last(trainer.default_root_dir, "stable")

    def state_dict(self) -> dict:
        return {"best": self.best, "monitor": self._best_by}

    def load_state_dict(self, state_dict: dict) -> None:
        self.best = state_dict["best"]
        self._best_by = state_dict.get("monitor", self.monitor)  # an earlier version did not say


class FinalValidation(Callback):
    """Validate after the last step even if the validation interval does not divide the number of steps.

    Otherwise `best` and the result would belong to an earlier step, before the learning rate decayed. Lightning
    validates at an interval, and once more when it is asked to stop.
    """

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True


def validation_follows(trainer, batch_idx: int) -> bool:
    """Return whether validation runs after this micro-batch. Saving must wait for it: a resumed run would skip it."""
    due = (batch_idx + 1) % trainer.val_check_batch == 0 or trainer.should_stop
    return due and trainer.enable_validation

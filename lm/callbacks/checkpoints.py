"""Write the last and the best checkpoint, and always validate the last step.

Lightning's ModelCheckpoint stores absolute paths in its state and names files by metric; a run needs only two files
whose names say what they are.
"""

import math

from lightning import Callback, LightningModule, Trainer

from lm.bounds import Count
from lm.callbacks.run_callback import RunCallback
from lm.checkpoint.files import check_whole, checkpoint_path, save
from lm.checkpoint.sharded import remove_parts
from lm.files import report_damage


class Checkpoints(RunCallback):
    """Write `last.ckpt` every `every` steps and at the end, and `best.ckpt` whenever validation improves.

    Args:
        every: Optimizer steps between writes of `last.ckpt`. A killed run repeats at most this many steps.
        monitor: Validation metric to minimize for `best.ckpt`; a column of metrics.csv, such as `validation/loss` or
            `validation/bits_per_byte`.
    """

    saves_last = True

    def __init__(self, *, every: Count = 200, monitor: str = "validation/loss"):
        self.every, self.monitor = every, monitor
        self.best = math.inf
        self._saved = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = trainer.global_step
        if trainer.is_global_zero:
            directory = checkpoint_path(trainer.default_root_dir, "last").parent
            directory.mkdir(parents=True, exist_ok=True)
            for torn in directory.glob(".*.ckpt"):  # left by a writer that was killed
                torn.unlink()
            remove_parts(directory)
            if self.best < math.inf:
                best = checkpoint_path(trainer.default_root_dir, "best")
                with report_damage(
                    best, "copy it back, or set run.restart=true: the run cannot be finished without it"
                ):
                    check_whole(best)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        step = trainer.global_step
        due = step % self.every == 0 or step == trainer.max_steps
        if step > self._saved and due and not validation_follows(trainer, batch_idx):
            self._save(trainer, "last")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.monitor not in pl_module.validation:
            metrics = ", ".join(pl_module.validation)
            raise ValueError(
                f"callbacks.checkpoints.monitor={self.monitor} is not a validation metric; choose one of: {metrics}"
            )
        value = pl_module.validation[self.monitor]
        if value < self.best:
            self.best = value
            self._save(trainer, "best")
        if trainer.global_step > self._saved:
            self._save(trainer, "last")

    def _save(self, trainer: Trainer, which: str) -> None:
        if which == "last":
            self._saved = trainer.global_step
        save(trainer, which)

    def state_dict(self) -> dict:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict) -> None:
        self.best = state_dict["best"]


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

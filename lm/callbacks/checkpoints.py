"""Save the last and the best state.

Lightning's ModelCheckpoint keeps absolute paths in its state and names files by metric; all that is wanted here is
two files whose names say what they are.
"""

import math

from lightning import Callback, LightningModule, Trainer

from lm.bounds import Count
from lm.callbacks.final_validation import validation_follows
from lm.checkpoint.checkpoint import check_whole, checkpoint_path, save
from lm.checkpoint.sharded import remove_parts
from lm.files import undamaged


class Checkpoints(Callback):
    """`last.ckpt` every `every` steps and at the end, `best.ckpt` whenever validation improves."""

    def __init__(self, *, every: Count = 200, monitor: str = "validation/loss"):
        self.every, self.monitor = every, monitor
        self.best = math.inf
        self._saved = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = trainer.global_step
        if trainer.is_global_zero:
            directory = checkpoint_path(trainer.default_root_dir, "last").parent
            directory.mkdir(parents=True, exist_ok=True)
            for torn in directory.glob(".*.ckpt"):  # of a writer that was killed
                torn.unlink()
            remove_parts(directory)
            if self.best < math.inf:
                best = checkpoint_path(trainer.default_root_dir, "best")
                with undamaged(best, "copy it back, or set run.restart=true: the run cannot be finished without it"):
                    check_whole(best)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        step = trainer.global_step
        due = step % self.every == 0 or step == trainer.max_steps
        if step > self._saved and due and not validation_follows(trainer, batch_idx):
            self._save(trainer, "last")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.monitor not in pl_module.validation:
            measured = ", ".join(pl_module.validation)
            raise ValueError(f"callbacks.checkpoints.monitor={self.monitor} is not measured; there is {measured}")
        value = pl_module.validation[self.monitor]
        if value < self.best:
            self.best = value
            self._save(trainer, "best")
        if trainer.global_step > self._saved:
            self._save(trainer, "last")

    def _save(self, trainer: Trainer, which: str) -> None:
        """Write the state of the run as it is after the present step."""
        if which == "last":
            self._saved = trainer.global_step
        save(trainer, which)

    def state_dict(self) -> dict:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict) -> None:
        self.best = state_dict["best"]

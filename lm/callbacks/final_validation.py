"""The end of a run is always measured."""

from lightning import Callback


class FinalValidation(Callback):
    """Validate after the last step too, even where the interval does not divide the steps.

    Else `best` and the result would be those of an earlier step, before the learning rate came down. Lightning
    validates at an interval, and once more when it is asked to stop.
    """

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True


def validation_follows(trainer, batch_idx: int) -> bool:
    """Whether this micro-batch is validated after. What saves must wait for that: resuming would skip it."""
    due = (batch_idx + 1) % trainer.val_check_batch == 0 or trainer.should_stop
    return due and trainer.enable_validation

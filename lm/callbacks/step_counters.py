"""Where a resumed run stands, worked out from its step alone."""

from lightning import Callback, LightningModule, Trainer


class StepCounters(Callback):
    """Set Lightning's counters of a loaded checkpoint from the optimizer step.

    It stores a count for each phase of each loop; they depend on the hook that saved and on how many
    micro-batches made a step. Only the optimizer step means the same on another number of devices.
    """

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        step = checkpoint["global_step"]
        loop = checkpoint["loops"]["fit_loop"]
        fresh = trainer.fit_loop.state_dict()
        for name in fresh:
            if name.startswith("epoch_loop.val_loop"):
                loop[name] = fresh[name]
        batches = step * trainer.accumulate_grad_batches
        progress = loop["epoch_loop.batch_progress"]
        for scope in ("total", "current"):
            progress[scope] = dict.fromkeys(progress[scope], batches)
        progress["is_last_batch"] = False
        loop["epoch_loop.state_dict"]["_batches_that_stepped"] = step

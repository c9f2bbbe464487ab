"""A callback that notes every hook that Lightning calls."""

from typing import Any

from lightning import Callback
from lightning.pytorch.trainer import call

NOTED: list[tuple] = []  # name, step, micro-batch where it is given, and what `LightningModule.log` takes for the hook


def noting(name: str):
    def hook(self: Callback, trainer, pl_module, *given: Any, **named: Any) -> None:
        numbers = [each for each in (*given, *named.values()) if isinstance(each, int)]
        NOTED.append((name, trainer.global_step, *numbers, pl_module._current_fx_name))

    return hook


HOOKS = [name for name in vars(Callback) if name.startswith("on_")]
RecordedHooks = type("RecordedHooks", (Callback,), {name: noting(name) for name in HOOKS})


def lightnings_own() -> bool:
    """Whether hooks are called by Lightning's own functions."""
    return call._call_callback_hooks.__module__ == call.__name__


class LogsBySelf(Callback):
    """Log a number as most callbacks of others do."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        pl_module.log("seen", float(trainer.global_step), on_step=True, on_epoch=False)

"""Lightning's hooks at the cost of those that are there: a step calls some thirty, most of which do nothing.

For each of them Lightning writes a debug line, enters a profiler for every callback and sets an attribute of a torch
module: about 0.7 ms a step. Here only what a callback or the module overrides is called, in the same order and with the
same arguments.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.trainer import call

RUNNING = "_current_fx_name"  # where `LightningModule.log` reads which hook calls it


@contextmanager
def direct_hooks(trainer: Trainer) -> Iterator[None]:
    """Call the hooks of `trainer` directly while it runs; a profiler, if there is one, sees them all as before."""
    if not isinstance(trainer.profiler, PassThroughProfiler):
        yield
        return
    before = call._call_callback_hooks, call._call_lightning_module_hook, call._call_strategy_hook
    hooks = _Hooks(trainer, *before)
    call._call_callback_hooks, call._call_lightning_module_hook = hooks.of_callbacks, hooks.of_module
    call._call_strategy_hook = hooks.of_strategy
    try:
        yield
    finally:
        call._call_callback_hooks, call._call_lightning_module_hook, call._call_strategy_hook = before


class _Hooks:
    """What stands for Lightning's three functions.

    Args:
        trainer: The trainer whose hooks are called directly; those of any other are left to Lightning.
        of_callbacks: Lightning's function for callbacks.
        of_module: The one for the module.
        of_strategy: The one for the strategy.
    """

    def __init__(self, trainer: Trainer, of_callbacks: Callable, of_module: Callable, of_strategy: Callable):
        self.trainer = trainer
        self.lightnings = of_callbacks, of_module, of_strategy
        self.callbacks: list[Callback] = []
        self.listeners: dict[str, list[Callable]] = {}

    def of_callbacks(
        self, trainer: Trainer, hook_name: str, *args: Any, monitoring_callbacks: bool | None = None, **kwargs: Any
    ) -> None:
        module = trainer.lightning_module
        if trainer is not self.trainer or monitoring_callbacks is not None or module is None:
            given = {} if monitoring_callbacks is None else {"monitoring_callbacks": monitoring_callbacks}
            self.lightnings[0](trainer, hook_name, *args, **given, **kwargs)
            return
        if self.callbacks != trainer.callbacks:
            self.callbacks, self.listeners = [*trainer.callbacks], {}
        listeners = self.listeners.get(hook_name)
        if listeners is None:
            listeners = self.listeners[hook_name] = [*_overriding(self.callbacks, hook_name)]
        if listeners:
            state = vars(module)
            running, state[RUNNING] = state[RUNNING], hook_name
            for listener in listeners:
                listener(trainer, module, *args, **kwargs)
            state[RUNNING] = running

    def of_module(
        self, trainer: Trainer, hook_name: str, *args: Any, pl_module: LightningModule | None = None, **kwargs: Any
    ) -> Any:
        module = pl_module or trainer.lightning_module
        if trainer is not self.trainer or module is None:
            return self.lightnings[1](trainer, hook_name, *args, pl_module=pl_module, **kwargs)
        state = vars(module)
        running, state[RUNNING] = state[RUNNING], hook_name
        output = getattr(module, hook_name)(*args, **kwargs)
        state[RUNNING] = running
        return output

    def of_strategy(self, trainer: Trainer, hook_name: str, *args: Any, **kwargs: Any) -> Any:
        if trainer is not self.trainer:
            return self.lightnings[2](trainer, hook_name, *args, **kwargs)
        state = vars(trainer.lightning_module)
        running, state[RUNNING] = state[RUNNING], hook_name
        output = getattr(trainer.strategy, hook_name)(*args, **kwargs)
        state[RUNNING] = running
        return output


def _overriding(callbacks: list[Callback], hook: str) -> Iterator[Callable]:
    """The methods of the callbacks that do more than nothing."""
    for callback in callbacks:
        method = getattr(callback, hook)
        if callable(method) and getattr(method, "__func__", method) is not getattr(Callback, hook, None):
            yield method

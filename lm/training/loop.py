"""Lightning's loop over micro-batches without what it looks up again for each of them."""

from collections import OrderedDict
from contextlib import nullcontext
from typing import Any

from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.core.hooks import DataHooks
from lightning.pytorch.loops.fetchers import _DataFetcher
from lightning.pytorch.loops.optimization.automatic import _AutomaticOptimization
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.loops.utilities import _block_parallel_sync_behavior
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import DDPStrategy, Strategy
from lightning.pytorch.trainer import call
from torch.optim import Optimizer

from lm.data.batches import InProcess
from lm.objective import Objective
from lm.optimizer import OneFactor

TRANSFER = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
STEP = ("optimizer_step", "optimizer_zero_grad", "backward", "lr_scheduler_step")


class TrainingLoop(_TrainingEpochLoop):
    """The loop of an `Objective` in a planned run; hooks, counters and checkpoints are Lightning's.

    Lightning reads the signature of `training_step` for each micro-batch, asks all over the module whether it
    validates, collects what was logged where nothing is, and under several ranks broadcasts whether a SIGTERM arrived,
    which waits for the device: `Interruption` has that task.
    """

    def __init__(self, trainer: Trainer, *, min_steps: int | None, max_steps: int):
        super().__init__(trainer, min_steps=min_steps, max_steps=max_steps)
        self.automatic_optimization = _Optimization(trainer)

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        super().on_run_start(data_fetcher)
        trainer = self.trainer
        module, data = trainer.lightning_module, trainer.datamodule
        moves = trainer.strategy.root_device.type != "cpu" or _moves_batches(module, data)
        self._place = self._moved if moves else trainer.precision_plugin.convert_input
        combined = data_fetcher.combined_loader
        alone = len(combined.flattened) == 1 and isinstance(combined.flattened[0], InProcess) and data_fetcher.length
        self._source = combined._iterator.iterators[0] if alone else None  # what combines loaders takes 50 µs
        self._is_profiled = not isinstance(trainer.profiler, PassThroughProfiler)
        self.automatic_optimization.is_direct = not self._is_profiled and _steps_directly(trainer, module)

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Train one micro-batch; the first after a start, and any that is profiled, as Lightning does."""
        if self._restarting or self._is_profiled:
            super().advance(data_fetcher)
            return
        trainer, progress, logged = self.trainer, self.batch_progress, self._results
        connector = trainer._logger_connector
        batch = self._next(data_fetcher)
        index = progress.current.ready
        progress.is_last_batch = data_fetcher.done
        batch = self._place(batch)
        progress.increment_ready()
        connector.on_batch_start(batch)
        call._call_callback_hooks(trainer, "on_train_batch_start", batch, index)
        stops = call._call_lightning_module_hook(trainer, "on_train_batch_start", batch, index) == -1
        call._call_strategy_hook(trainer, "on_train_batch_start", batch, index)
        outputs = None
        if stops:
            progress.increment_by(0, is_last_batch=True)
        else:
            progress.increment_started()
            given = OrderedDict(batch=batch, batch_idx=index)
            outputs = self.automatic_optimization.run(trainer.optimizers[0], index, given)
        progress.increment_processed()
        self.update_lr_schedulers("step", update_plateau_schedulers=False)
        if progress.is_last_batch:
            self.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        if stops:
            raise StopIteration
        call._call_callback_hooks(trainer, "on_train_batch_end", outputs, batch, index)
        call._call_lightning_module_hook(trainer, "on_train_batch_end", outputs, batch, index)
        if logged:
            connector.on_batch_end()
        logged.batch = logged.batch_size = None
        progress.increment_completed()
        if logged:
            connector.update_train_step_metrics()

    def _next(self, data_fetcher: _DataFetcher) -> Any:
        if self._source is None:
            batch, _, _ = next(data_fetcher)
            return batch
        batch = next(self._source)
        data_fetcher.fetched += 1
        data_fetcher.done = data_fetcher.fetched >= data_fetcher.length
        return batch

    def _moved(self, batch: Any) -> Any:
        trainer = self.trainer
        batch = trainer.precision_plugin.convert_input(batch)
        batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
        return call._call_strategy_hook(trainer, "batch_to_device", batch, dataloader_idx=0)

    def update_lr_schedulers(self, interval: str, update_plateau_schedulers: bool) -> None:
        if not self.automatic_optimization.is_direct:
            super().update_lr_schedulers(interval, update_plateau_schedulers)
            return
        if interval == "step" and not update_plateau_schedulers and not self.automatic_optimization.accumulates:
            self.scheduler_progress.increment_ready()
            self.trainer.strategy.lr_scheduler_configs[0].scheduler.step()
            self.scheduler_progress.increment_completed()

    def _build_kwargs(self, kwargs: OrderedDict, batch: Any, batch_idx: int) -> OrderedDict:
        return OrderedDict(batch=batch, batch_idx=batch_idx)

    def _broadcast_sigterm_tensor(self) -> None:
        return None

    def _should_check_val_fx(self, data_fetcher: _DataFetcher) -> bool:
        trainer = self.trainer
        due = (self.total_batch_idx + 1) % trainer.val_check_batch == 0
        return (due or trainer.should_stop) and super()._should_check_val_fx(data_fetcher)


class _Optimization(_AutomaticOptimization):
    """Forward pass, backward pass and update of a micro-batch, one after another.

    Lightning gives the optimizer a closure that gives the precision a closure of the other two. The optimizers of torch
    and of `lm` call it first of all, so the same is done without closures, unless a class overrides a part of it.
    """

    is_direct = False
    accumulates = False  # whether the last micro-batch was not the last of its step

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict) -> dict[str, Any]:
        if not self.is_direct:
            return super().run(optimizer, batch_idx, kwargs)
        trainer = self.trainer
        strategy, module = trainer.strategy, trainer.lightning_module
        accumulates = self.accumulates = trainer.fit_loop._should_accumulate()
        progress, parts = self.optim_progress.optimizer, trainer.accumulate_grad_batches
        with _block_parallel_sync_behavior(strategy) if accumulates else nullcontext():
            loss = call._call_strategy_hook(trainer, "training_step", *kwargs.values())
            if parts > 1:
                loss = loss / parts
            if batch_idx % parts == 0:
                progress.zero_grad.increment_ready()
                call._call_callback_hooks(trainer, "on_before_zero_grad", optimizer)
                call._call_lightning_module_hook(trainer, "on_before_zero_grad", optimizer)
                progress.zero_grad.increment_started()
                for group in optimizer.param_groups:
                    for weight in group["params"]:
                        weight.grad = None
                progress.zero_grad.increment_completed()
            strategy.backward(loss, optimizer)
        if not accumulates:
            progress.step.increment_ready()
            strategy.precision_plugin._after_closure(module, optimizer)
            optimizer.step()
            progress.step.increment_completed()
        return {"loss": loss.detach()}


def use_training_loop(trainer: Trainer) -> None:
    """Give a trainer this loop, before it has run."""
    before = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = TrainingLoop(trainer, min_steps=before.min_steps, max_steps=before.max_steps)


def _moves_batches(module: LightningModule, data: LightningDataModule) -> bool:
    """Whether the module or the data have hooks of their own for moving a batch to the device."""
    own = (getattr(type(each), name) is not getattr(DataHooks, name) for each in (module, data) for name in TRANSFER)
    return any(own)


def _steps_directly(trainer: Trainer, module: LightningModule) -> bool:
    """Whether a step is what Lightning, torch and `lm` make of it, with nothing of another's in between."""
    optimizer, strategy, configs = trainer.optimizers[0], trainer.strategy, trainer.lr_scheduler_configs
    return (
        all(getattr(type(module), name) is getattr(LightningModule, name) for name in STEP)
        and type(module).training_step is Objective.training_step
        and len(configs) == 1
        and type(configs[0].scheduler) is OneFactor
        and type(optimizer).__module__.startswith(("torch.optim", "lm."))
        and type(optimizer).zero_grad is Optimizer.zero_grad
        and type(strategy).optimizer_step in (Strategy.optimizer_step, DDPStrategy.optimizer_step)
        and getattr(strategy, "_model_averager", None) is None
        and getattr(trainer, "scaler", None) is None
    )

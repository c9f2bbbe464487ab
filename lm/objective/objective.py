"""The contract of every training objective: one denominator per optimizer step, whatever the partition."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule
from torch import Tensor, nn

from lm.batch import Batch
from lm.bounds import Positive
from lm.model.experts import Routing
from lm.objective.balance import Balance, Usage, load_metrics
from lm.objective.gradient_norm import clip_gradients
from lm.optimizer import OneFactor, make_optimizer
from lm.parallel import placement_of
from lm.process.ranks import data_share, sum_over_ranks


class Objective(LightningModule, ABC):
    """A network and the loss that trains it. Subclasses say what is summed; everything else is the same for all.

    A mean of means weights the tokens of a short answer above those of a long one, and changes with the micro-batch and
    the ranks. Here each batch carries the denominator of its whole optimizer step, known from the data plan. Lightning
    divides by the accumulated micro-batches and averages over the ranks that read different rows; both factors are
    multiplied back in. So the gradient is that of one sum over one denominator for every partition. Where the model has
    sparse experts, a loss that balances them is added (`lm.objective.balance`), outside of `step_loss`.

    A subclass implements `summed_loss`, and for validation `add_validation` and `summarize`. What needs all
    micro-batches of an optimizer step before the first is trained, as a baseline or rollouts, goes into `prepare_step`.
    Callbacks and `train` rely on the attributes below and on nothing else of a module.

    Args:
        model: The network to train.
        optimizer: Factory of the optimizer; called with the network.
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Optimizer steps of the whole run.
        kinds: Names of the groups that validation reports one by one, in the order of `Batch.kinds`.
        gradient_clip: Largest norm of the gradient; larger ones are scaled down to it. None does not clip.

    Attributes:
        metric: The validation metric that a run returns and that chooses its best checkpoint.
        mode: Whether the lowest or the highest `metric` is the best: min or max.
        step_loss: Loss of this rank's part of the current step so far; the sum over the ranks is the loss of the step.
        step_metrics: Other metrics of this rank's part of the current step by name; their sums over the ranks are those
            of the step, logged as `train/NAME`.
        gradient_norm: Norm of the gradient of the last step before clipping, equal on all ranks.
        skip_non_finite: Whether a step whose gradient is not finite leaves weights and optimizer unchanged.
        validation: Metrics of the last validation by name, such as `validation/loss`.
    """

    metric: str = "validation/loss"
    mode: Literal["min", "max"] = "min"
    reads: ClassVar[tuple[type[Batch], ...]] = (Batch,)  # classes of batches that it can be trained on
    validation_sums: int = 0  # rows of the table that `add_validation` fills

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., float],
        steps: int,
        kinds: Sequence[str] = (),
        gradient_clip: Positive | None = 1.0,
    ):
        super().__init__()
        self.model = model
        self.optimizer_factory = optimizer
        self.schedule = schedule
        self.steps = steps
        self.kinds = list(kinds)
        self.gradient_clip = gradient_clip
        self.balance = Balance.of(model)  # None: no sparse experts
        self.expert_load: Tensor | float = 0.0  # tokens of the step by layer and expert, L E, on this rank
        self.step_loss: Tensor | float = 0.0
        self.step_metrics: dict[str, Tensor] = {}
        self.gradient_norm: Tensor | float = 0.0
        self.skip_non_finite = False
        self.validation: dict[str, float] = {}
        self._weights: tuple[nn.Parameter, ...] | None = None  # once training has begun

    @abstractmethod
    def summed_loss(self, batch: Batch) -> Tensor:
        """Return the loss summed over everything that `batch.denominator` counts; a scalar, 0 for an empty batch."""

    def begin(self, rows: Any, *, seed: int) -> None:
        """Take from the opened rows what batches do not carry, before the first step; called once per run by `train`.

        Args:
            rows: `lm.data.Rows`.
            seed: Seed of the run, for draws that follow from (seed, step, row).

        Raises:
            ValueError: The rows are not what the objective needs.
        """

    @property
    def replies(self) -> Sequence[str]:
        """Answers that the last validation generated, as text, on the first rank; the samples of a run take them."""
        return ()

    @property
    def answered(self) -> Sequence[dict[str, Any]]:
        """Answers that this rank's part of the current step learns from, with their rewards, as plain data."""
        return ()

    def prepare_step(self, batches: list[Batch]) -> list[Batch]:
        """Return this rank's micro-batches of the next optimizer step, prepared, before the first of them is trained.

        The default is never called: without a subclass's method the loop reads one micro-batch at a time. All ranks
        call it together, without gradients, with the batches on the device; `self.global_step` is the number of steps
        done. The result must follow from the weights, the batches and (seed, step, row) alone, so that a resumed run
        repeats it.
        """
        return batches

    @property
    def prepares_steps(self) -> bool:
        """Whether `prepare_step` has to be called."""
        return type(self).prepare_step is not Objective.prepare_step

    @abstractmethod
    def add_validation(self, batch: Batch, sums: Tensor) -> None:
        """Add a validation batch to `sums`, fp64 [validation_sums, kinds], in place."""

    @abstractmethod
    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Return the metrics, named `validation/…`, from the sums over all batches and ranks."""

    @property
    def metric_names(self) -> list[str]:
        """Names of the validation metrics, before anything is validated."""
        return [*self.summarize(self._empty_sums() + 1)]

    def _empty_sums(self) -> Tensor:
        # fp64 on the CPU: sums of millions, and some devices lack fp64
        return torch.zeros(self.validation_sums, max(1, len(self.kinds)), dtype=torch.float64)

    def expert_usage(self, batch: Batch, passes: list[list[Routing]]) -> tuple[Usage, Tensor]:
        """Return what the texts of a batch used of the experts, and the weight of each text in the summed loss, U.

        Args:
            batch: The batch.
            passes: Where each layer sent the tokens of each forward pass that `summed_loss` made.
        """
        (layers,) = passes
        texts, weights = batch.texts()
        return Usage.of(layers, texts, len(weights)), weights

    def step_part(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return this batch's part of the loss of the step, and of what balances experts; None for a dense model."""
        if self.balance is None:
            return self.summed_loss(batch) / batch.denominator, None
        with self.balance.recording() as passes:
            loss = self.summed_loss(batch) / batch.denominator
        usage, weights = self.expert_usage(batch, passes)
        self.expert_load = self.expert_load + usage.counts.detach().sum(1)
        weights = weights.to(usage.squares.dtype) / batch.denominator
        balance, size = (usage.balance_losses() * weights).sum(), (usage.z_losses() * weights).sum()
        self.record("experts/balance_loss", balance)
        if self.balance.z_weight:
            self.record("experts/z_loss", size)
        return loss, self.balance.weight * balance + self.balance.z_weight * size

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        loss, balance = self.step_part(batch)
        trainer, value = self.trainer, loss.detach()
        first = batch_index % trainer.accumulate_grad_batches == 0
        self.step_loss = value + (0.0 if first else self.step_loss)
        ranks, _ = data_share(trainer)
        whole, factor = loss if balance is None else loss + balance, trainer.accumulate_grad_batches * ranks
        if value.is_cpu and isfinite(value):  # reading it waits for nothing there
            return whole if factor == 1 else whole * factor
        # A loss that is not finite makes the gradient so too, which all ranks then see alike: 0 × inf is NaN.
        return whole * (factor + 0.0 * value)

    def record(self, name: str, part: Tensor | float) -> None:
        """Add to a training metric of the current step.

        Args:
            name: Name of the metric; on every rank the same names in the same order.
            part: What this micro-batch adds, already divided by the denominator of the whole step.
        """
        part = torch.as_tensor(part).detach()
        self.step_metrics[name] = self.step_metrics[name] + part if name in self.step_metrics else part

    def load_metrics(self) -> dict[str, float]:
        """Return how even the load of the experts was in the step, by name; all ranks call it together."""
        return {} if self.balance is None else load_metrics(self.over_ranks(self.expert_load).cpu())

    def over_ranks(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over the ranks that read different rows; all ranks call it together."""
        return values if self._trainer is None else sum_over_ranks(self.trainer, values)  # None while a step is timed

    def on_train_batch_end(self, outputs, batch: Batch, batch_index: int) -> None:
        if (batch_index + 1) % self.trainer.accumulate_grad_batches == 0:
            if self.step_metrics:
                self.step_metrics = {}  # callbacks have read them; the next step's begin with `prepare_step`
            if self.balance is not None:
                self.expert_load = 0.0

    def on_validation_epoch_start(self) -> None:
        self._sums = self._empty_sums()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self.add_validation(batch, self._sums)

    def on_validation_epoch_end(self) -> None:
        self.validation = self.summarize(sum_over_ranks(self.trainer, self._sums).cpu())
        self.log_dict(self.validation, logger=False, sync_dist=False)

    def configure_model(self) -> None:
        placement_of(self.trainer.strategy).shard(self.model)

    def build_optimizer(self, precision: str) -> torch.optim.Optimizer:
        """Return an optimizer of the network's weights for a run in `precision`, by Lightning's name."""
        return make_optimizer(self.optimizer_factory, self.model, precision=precision)

    def configure_optimizers(self) -> dict:
        optimizer = self.build_optimizer(self.trainer.precision)

        def factor(step: int) -> float:
            return self.schedule(step, self.steps)

        scheduler = OneFactor(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_start(self) -> None:
        """Set the rate of the next step: the checkpoint of a shorter run has the first one of its decay."""
        for config in self.trainer.lr_scheduler_configs:
            scheduler = config.scheduler
            factors = [factor(scheduler.last_epoch) for factor in scheduler.lr_lambdas]
            rates = [base * factor for base, factor in zip(scheduler.base_lrs, factors, strict=True)]
            for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            scheduler._last_lr = rates

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None) -> None:
        # Lightning's own clipping refuses fused AdamW under mixed precision.
        limit = float("inf") if self.gradient_clip is None else self.gradient_clip
        if self._weights is None:
            self._weights = (*self.model.parameters(),)  # a walk over all modules takes 0.1 ms
        self.gradient_norm = clip_gradients(self._weights, limit)
        if self.skip_non_finite and not torch.isfinite(self.gradient_norm):
            optimizer.zero_grad(set_to_none=True)  # without gradients neither weights nor moments change

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["validation"] = self.validation
        checkpoint["precision"] = self.trainer.precision
        checkpoint["steps"] = self.steps  # that the schedule was computed for

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.validation = checkpoint["validation"]
        before, now = checkpoint["precision"], self.trainer.precision
        if before != now:
            raise ValueError(
                f"this run started at {before} and would resume at {now}, which this machine does best: set "
                f"compute.precision={before} to resume as it started, or run.name to another name"
            )

"""Predict the next token: the objective of pretraining and of instruction tuning."""

from collections.abc import Callable, Sequence
from math import log

import torch
from lightning import LightningModule
from torch import Tensor, nn

from lm.batch import Batch
from lm.bounds import NonNegative, Positive
from lm.objective.gradient_norm import clip_gradients
from lm.objective.loss import summed_cross_entropy, target_losses
from lm.parallel.strategy import share_out
from lm.process.ranks import data_share, sum_over_ranks


class CausalLM(LightningModule):
    """Cross-entropy over supervised targets, summed and divided by those of the whole optimizer step.

    A mean of means weights a short answer's tokens above a long one's and changes with micro-batch and ranks.
    Each batch instead carries the step's denominator, known from the data plan; Lightning will divide by the
    accumulated batches and average over the ranks that read different rows, so both are multiplied back in. `noise` is
    NEFTune's alpha (see `lm.model.noise`).
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., float],
        steps: int,
        kinds: Sequence[str] = (),
        gradient_clip: Positive | None = 1.0,
        noise: NonNegative = 0.0,
    ):
        super().__init__()
        self.model = model
        self.optimizer_factory = optimizer
        self.schedule = schedule
        self.steps = steps
        self.kinds = list(kinds)
        self.gradient_clip = gradient_clip
        self.noise = noise
        self.step_loss = 0.0  # nats a supervised target of this rank's share of the step so far
        self.gradient_norm = 0.0
        self.skips_not_finite = False  # whether a step whose gradient is no number leaves everything as it was
        self.validation: dict[str, float] = {}

    def configure_model(self) -> None:
        share_out(self.trainer.strategy, self.model)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        loss = self.summed_loss(batch) / batch.denominator
        first = batch_index % self.trainer.accumulate_grad_batches == 0
        self.step_loss = loss.detach() + (0.0 if first else self.step_loss)
        ranks, _ = data_share(self.trainer)
        # A loss that is not finite makes the gradient so too, which all ranks then see alike: 0 × inf is no number.
        return loss * (self.trainer.accumulate_grad_batches * ranks + 0.0 * loss.detach())

    def summed_loss(self, batch: Batch) -> Tensor:
        """Nats over the batch's supervised targets, or over all that have a share in the loss, times that."""
        hidden = self.model.hidden(batch.tokens, documents=batch.documents, noise=self.noise)  # B T D
        chosen = batch.supervised if batch.loss_weights is None else batch.loss_weights > 0
        loss_weights = None if batch.loss_weights is None else batch.loss_weights[chosen]
        return summed_cross_entropy(
            hidden[chosen], self.model.output_weight, batch.targets[chosen], loss_weights=loss_weights
        )

    def on_validation_epoch_start(self) -> None:
        kinds = max(1, len(self.kinds))
        # nats, bytes, targets of each kind; fp64 on the CPU: sums of millions, and some devices lack fp64
        self._sums = torch.zeros(3, kinds, dtype=torch.float64)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        chosen = batch.supervised
        hidden = self.model.hidden(batch.tokens, documents=batch.documents)
        losses = target_losses(hidden[chosen], self.model.output_weight, batch.targets[chosen])
        kinds = batch.kinds[chosen].cpu()
        counted = torch.stack([losses.double().cpu(), batch.bytes[chosen].double().cpu(), torch.ones(len(kinds))])
        self._sums.index_add_(1, kinds, counted.double())

    def on_validation_epoch_end(self) -> None:
        self.validation = summarize(sum_over_ranks(self.trainer, self._sums).cpu(), self.kinds)
        self.log_dict(self.validation, logger=False, sync_dist=False)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["validation"] = self.validation
        checkpoint["precision"] = self.trainer.precision

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.validation = checkpoint["validation"]
        before, now = checkpoint["precision"], self.trainer.precision
        if before != now:
            raise ValueError(
                f"this run began at {before} and would go on at {now}, which this machine does best: set "
                f"compute.precision={before} to go on as it began, or run.name to another name"
            )

    def configure_optimizers(self):
        optimizer = self.optimizer_factory(self.model)

        def factor(step: int) -> float:
            return self.schedule(step, self.steps)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        # Lightning's own clipping refuses fused AdamW under mixed precision.
        limit = float("inf") if self.gradient_clip is None else self.gradient_clip
        self.gradient_norm = clip_gradients(self.model.parameters(), limit)
        if self.skips_not_finite and not torch.isfinite(self.gradient_norm):
            optimizer.zero_grad(set_to_none=True)  # without gradients neither weights nor moments move


def summarize(sums: Tensor, kinds: Sequence[str]) -> dict[str, float]:
    """Loss (nats a target) and bits per byte, over all and by kind, from (nats, bytes, targets) × kinds."""
    named = {"": sums.sum(1)} | {f"/{kind}": sums[:, i] for i, kind in enumerate(kinds)}
    metrics = {}
    for suffix, (nats, size, targets) in named.items():
        if targets > 0:
            metrics[f"validation/loss{suffix}"] = float(nats / targets)
        if size > 0:
            metrics[f"validation/bits_per_byte{suffix}"] = float(nats / size / log(2))
    return metrics

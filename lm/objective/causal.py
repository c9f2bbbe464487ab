"""Predict the next token: the objective of pretraining and of instruction tuning."""

from collections.abc import Callable, Sequence
from math import log

import torch
from torch import Tensor, nn

from lm.batch import Batch
from lm.bounds import NonNegative, Positive
from lm.objective.loss import summed_cross_entropy, target_losses
from lm.objective.objective import Objective


class CausalLM(Objective):
    """Cross-entropy of the next token, over supervised targets or over all that have a loss weight.

    Args:
        model: The network to train, a `Transformer`.
        optimizer: Factory of the optimizer; called with the network.
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Optimizer steps of the whole run.
        kinds: Names of the kinds or tasks that validation reports one by one.
        gradient_clip: Largest norm of the gradient; null does not clip. 1.0 is what GPT-3 used (Brown et al. 2020).
        noise: NEFTune's alpha, the noise added to embeddings while training (Jain et al. 2024); 0 adds none, 5 is usual
            for instruction tuning. See `lm.model.noise`.
    """

    metric = "validation/bits_per_byte"
    validation_sums = 3  # nats, source bytes and targets

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
        super().__init__(
            model, optimizer=optimizer, schedule=schedule, steps=steps, kinds=kinds, gradient_clip=gradient_clip
        )
        self.noise = noise

    def summed_loss(self, batch: Batch) -> Tensor:
        """Nats over the batch's supervised targets, or over all that have a loss weight, times that."""
        hidden = self.model.hidden(batch.tokens, documents=batch.documents, noise=self.noise)  # B T D
        weights = batch.loss_weights
        counted = batch.supervised if weights is None else weights > 0
        return summed_cross_entropy(
            hidden[counted],
            self.model.projection,
            batch.targets[counted],
            loss_weights=None if weights is None else weights[counted],
        )

    def add_validation(self, batch: Batch, sums: Tensor) -> None:
        counted = batch.supervised
        hidden = self.model.hidden(batch.tokens, documents=batch.documents)
        losses = target_losses(hidden[counted], self.model.projection, batch.targets[counted])
        kinds = batch.kinds[counted].cpu()
        table = torch.stack([losses.double().cpu(), batch.bytes[counted].double().cpu(), torch.ones(len(kinds))])
        sums.index_add_(1, kinds, table.double())

    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Loss (nats per target) and bits per byte, over all kinds and by kind."""
        named = {"": sums.sum(1)} | {f"/{kind}": sums[:, i] for i, kind in enumerate(self.kinds)}
        metrics = {}
        for suffix, (nats, size, targets) in named.items():
            if targets > 0:
                metrics[f"validation/loss{suffix}"] = float(nats / targets)
            if size > 0:
                metrics[f"validation/bits_per_byte{suffix}"] = float(nats / size / log(2))
        return metrics

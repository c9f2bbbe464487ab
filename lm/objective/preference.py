"""Prefer one answer to another: the objective of pairs, whose formula is a part.

Legend: B rows  T tokens a row  P pairs a row  D documents a row, 2 P  N pairs of a batch, B P
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lm.batch import PreferenceBatch
from lm.bounds import Positive
from lm.model.dropout import switch_off_dropout
from lm.objective.interval import wilson_interval
from lm.objective.log_probabilities import document_kinds, document_log_probabilities
from lm.objective.objective import Objective
from lm.objective.pairs import Pairs, Scored
from lm.objective.reference import Reference
from lm.parallel import placement_of

METRICS = (
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
)


class Preference(Objective):
    """Make chosen answers more likely than rejected ones, by a formula of both log-probabilities.

    The loss is a mean over the pairs of the optimizer step. Dropout is off, so that model and reference compare.

    Args:
        model: The network to train, a `Transformer`.
        formula: Loss of pairs by their log-probabilities, as `lm.objective.preference_losses.dpo`.
        reference: Factory of the reference, called with the network: a frozen copy of the starting weights, or their
            log-probabilities on disk; see objective/reference. null for a formula without one.
        optimizer: Factory of the optimizer; called with the network.
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Optimizer steps of the whole run.
        kinds: Names of the kinds or tasks that validation reports one by one.
        gradient_clip: Largest norm of the gradient; null does not clip.

    Raises:
        ValueError: The formula compares with a reference, and there is none.
    """

    metric = "validation/rewards/accuracies"
    mode: Literal["min", "max"] = "max"
    validation_sums = 2 + len(METRICS)  # pairs, losses, and the metrics

    def __init__(
        self,
        model: nn.Module,
        *,
        formula: Callable[[Pairs], Scored],
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., float],
        steps: int,
        reference: Callable[[nn.Module], Reference] | None = None,
        kinds: Sequence[str] = (),
        gradient_clip: Positive | None = 1.0,
    ):
        super().__init__(
            model, optimizer=optimizer, schedule=schedule, steps=steps, kinds=kinds, gradient_clip=gradient_clip
        )
        switch_off_dropout(model)
        self.formula = formula
        self.reference = None if reference is None else reference(model)
        pair = torch.full((1,), -1.0)
        formula(Pairs(pair, pair, -pair, -pair, None if reference is None else torch.full((1, 2), -1.0)))  # fits?

    def setup(self, stage: str) -> None:
        if self.reference is not None:
            self.reference.start(self.trainer, self.model, document_numbers)

    def configure_model(self) -> None:
        if self.reference is not None:
            self.reference.place(placement_of(self.trainer.strategy))
        super().configure_model()

    def summed_loss(self, batch: PreferenceBatch) -> Tensor:
        """The formula's loss, summed over the batch's pairs; metrics of training are recorded."""
        pairs, there = self._pairs(batch, held_out=False)
        scored = self.formula(pairs)
        for name, part in zip(METRICS, _measure(pairs, scored, there).sum(1), strict=True):
            self.record(name, part / batch.denominator)
        return torch.where(there, scored.losses, 0.0).sum()

    def add_validation(self, batch: PreferenceBatch, sums: Tensor) -> None:
        pairs, there = self._pairs(batch, held_out=True)
        scored = self.formula(pairs)
        counts = torch.stack([there.float(), torch.where(there, scored.losses, 0.0)])  # 2 N
        table = torch.cat([counts, _measure(pairs, scored, there)]).double().cpu()
        kinds = document_kinds(batch, documents=2 * batch.pair.shape[1])[:, ::2].flatten().cpu()  # of the chosen side
        sums.index_add_(1, kinds, table)

    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Means over all held-out pairs and by kind; the accuracy over all with its 95 % interval (Wilson)."""
        named = {"": sums.sum(1)} | {f"/{kind}": sums[:, i] for i, kind in enumerate(self.kinds)}
        metrics = {}
        for suffix, (pairs, *measured) in named.items():
            if pairs > 0:
                names = ("loss", *METRICS)
                means = {name: float(value / pairs) for name, value in zip(names, measured, strict=True)}
                metrics |= {f"validation/{name}{suffix}": mean for name, mean in means.items()}
                metrics[f"validation/pairs{suffix}"] = float(pairs)
        accuracies, pairs = float(sums[2 + METRICS.index("rewards/accuracies")].sum()), float(sums[0].sum())
        if pairs > 0:
            low, high = wilson_interval(accuracies, pairs)
            metrics |= {f"{self.metric}_low": low, f"{self.metric}_high": high}
        return metrics

    def _pairs(self, batch: PreferenceBatch, *, held_out: bool) -> tuple[Pairs, Tensor]:
        """The pairs of a batch, and whether each slot of N holds one; an empty slot has numbers that harm nothing."""
        documents = 2 * batch.pair.shape[1]
        sums, counts = document_log_probabilities(self.model, batch, documents=documents)
        counts = counts.view(-1, 2)
        there = (batch.pair.flatten() >= 0) & (counts > 0).all(1)  # N
        reference = self._reference(batch, held_out=held_out)
        sums, reference = (
            None if each is None else torch.where(there[:, None], each.reshape(-1, 2), -1.0)
            for each in (sums, reference)
        )
        return Pairs(*sums.unbind(1), *counts.clamp(min=1).unbind(1), reference), there

    def _reference(self, batch: PreferenceBatch, *, held_out: bool) -> Tensor | None:
        if self.reference is None or batch.reference is not None:
            return batch.reference
        return self.reference.log_probabilities(batch, document_numbers(batch), held_out=held_out)


def document_numbers(batch: PreferenceBatch) -> Tensor:
    """Numbers of the sides of the batch's pairs in the whole set, B D: 2 p and 2 p + 1 for pair p; -1 for none."""
    pair = batch.pair[..., None]  # B P 1
    return torch.where(pair >= 0, 2 * pair + torch.arange(2, device=pair.device), -1).flatten(1)


def _measure(pairs: Pairs, scored: Scored, there: Tensor) -> Tensor:
    """METRICS of each pair, 0 where there is none: [len(METRICS), N]. Equal rewards are half an accuracy."""
    chosen, rejected = scored.chosen.detach(), scored.rejected.detach()
    accuracies = (chosen > rejected).to(chosen.dtype) + (chosen == rejected).to(chosen.dtype) / 2
    measured = [chosen, rejected, chosen - rejected, accuracies, pairs.chosen.detach(), pairs.rejected.detach()]
    return torch.where(there, torch.stack(measured), 0.0)

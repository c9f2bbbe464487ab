"""What objectives of pairs share: whole pairs are scored, and rewards and accuracies are measured in the same way.

Legend: B rows  P pairs a row  N pair slots of a batch, B P
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from lm.batch import PreferenceBatch
from lm.interval import wilson_interval
from lm.objective.log_probabilities import document_kinds
from lm.objective.objective import Objective
from lm.objective.pairs import Scored

REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies")


class PairObjective(Objective, ABC):
    """An objective whose loss is a mean over the pairs of the optimizer step. A subclass says how pairs are scored."""

    metric = "validation/rewards/accuracies"
    mode: Literal["min", "max"] = "max"
    further: tuple[str, ...] = ()  # what a subclass measures beside the rewards

    @abstractmethod
    def score(self, batch: PreferenceBatch, *, held_out: bool) -> tuple[Scored, Tensor, Mapping[str, Tensor]]:
        """Return loss and rewards of each pair slot, N, whether it holds a pair, and the `further` measurements.

        An empty slot has finite numbers, which do not count.
        """

    @property
    def validation_sums(self) -> int:
        return 2 + len(REWARDS) + len(self.further)  # pairs, losses, and what is measured

    def summed_loss(self, batch: PreferenceBatch) -> Tensor:
        """The loss summed over the batch's pairs; metrics of training are recorded."""
        scored, there, further = self.score(batch, held_out=False)
        measured = _measure(scored, there, [further[name] for name in self.further]).sum(1)
        for name, part in zip((*REWARDS, *self.further), measured, strict=True):
            self.record(name, part / batch.denominator)
        return torch.where(there, scored.losses, 0.0).sum()

    def add_validation(self, batch: PreferenceBatch, sums: Tensor) -> None:
        scored, there, further = self.score(batch, held_out=True)
        counts = torch.stack([there.to(scored.losses.dtype), torch.where(there, scored.losses, 0.0)])  # 2 N
        table = torch.cat([counts, _measure(scored, there, [further[name] for name in self.further])])
        kinds = document_kinds(batch, documents=2 * batch.pair.shape[1])[:, ::2].flatten().cpu()  # of the chosen side
        sums.index_add_(1, kinds, table.double().cpu())

    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Means over all held-out pairs and by kind; the accuracy over all with its 95 % interval (Wilson)."""
        named = {"": sums.sum(1)} | {f"/{kind}": sums[:, i] for i, kind in enumerate(self.kinds)}
        metrics, names = {}, ("loss", *REWARDS, *self.further)
        for suffix, (pairs, *measured) in named.items():
            if pairs > 0:
                means = zip(names, measured, strict=True)
                metrics |= {f"validation/{name}{suffix}": float(value / pairs) for name, value in means}
                metrics[f"validation/pairs{suffix}"] = float(pairs)
        pairs, accuracies = float(sums[0].sum()), float(sums[2 + REWARDS.index("rewards/accuracies")].sum())
        if pairs > 0:
            low, high = wilson_interval(accuracies, pairs)
            metrics |= {f"{self.metric}_low": low, f"{self.metric}_high": high}
        return metrics


def document_numbers(batch: PreferenceBatch) -> Tensor:
    """Numbers of the sides of the batch's pairs in the whole set, B D: 2 p and 2 p + 1 for pair p; -1 for none."""
    pair = batch.pair[..., None]  # B P 1
    return torch.where(pair >= 0, 2 * pair + torch.arange(2, device=pair.device), -1).flatten(1)


def _measure(scored: Scored, there: Tensor, further: list[Tensor]) -> Tensor:
    """Rewards and further measurements of each pair slot, [measurements, N]. Equal rewards are half an accuracy."""
    chosen, rejected = scored.chosen.detach(), scored.rejected.detach()
    accuracies = (chosen > rejected).to(chosen.dtype) + (chosen == rejected).to(chosen.dtype) / 2
    measured = [chosen, rejected, chosen - rejected, accuracies, *(each.detach() for each in further)]
    return torch.where(there, torch.stack(measured), 0.0)

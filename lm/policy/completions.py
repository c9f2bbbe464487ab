"""The completions of an optimizer step, as micro-batches for the loss and as tables for advantages.

Legend: R completions  T tokens of a completion
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from lm.policy.advantage import Scored
from lm.policy.batch import PolicyBatch
from lm.policy.check import Part
from lm.policy.kl import Penalty
from lm.policy.micro_batch import stacked, table
from lm.policy.rollout import Rollout


@dataclass(frozen=True)
class Completions:
    """All completions of this rank's part of a step.

    Args:
        batches: Their rows by micro-batch, with the log-probabilities of the reference model where there is one.
        rollouts: The completions, in the order of the rows.
    """

    batches: Sequence[PolicyBatch]
    rollouts: Sequence[Rollout]

    @cached_property
    def mask(self) -> Tensor:
        """Which tokens count, R T on the CPU."""
        return stacked([batch.mask.cpu() for batch in self.batches])

    def scored(self, *, kl: Penalty | None, group_size: int, values: bool) -> Scored:
        """Return what advantages are computed from.

        Args:
            kl: Price of the divergence; None for none.
            group_size: Completions of each prompt.
            values: Whether the rollouts have expected rewards.
        """
        rewards = [float("nan") if each.reward is None else each.reward for each in self.rollouts]
        return Scored(
            rewards=torch.tensor(rewards).double(),
            penalties=self._penalties(kl),
            mask=self.mask,
            finished=torch.tensor([each.finished for each in self.rollouts]),
            group_size=group_size,
            values=table([each.values for each in self.rollouts], self.mask) if values else None,
        )

    def finish(
        self,
        scored: Scored,
        *,
        advantages: Tensor,
        returns: Tensor | None,
        aggregation: Part,
        compares_old: bool,
        summed: Callable[[Tensor], Tensor],
        dtype: torch.dtype,
    ) -> list[PolicyBatch]:
        """Return the micro-batches with all that the loss compares, and the denominators of the step.

        Args:
            scored: What `advantages` follow from.
            advantages: How much better than expected each token is, R T.
            returns: What the values should have been, R T; None without a value head.
            aggregation: What the loss is the mean of: weights of tokens, and their count.
            compares_old: Whether the weights that generated may differ from those that train.
            summed: Returns the sum over the ranks, on the CPU.
            dtype: Precision of the loss.
        """
        aggregated = [aggregation(batch.mask.cpu().double()) for batch in self.batches]
        counts = [
            torch.stack([count, batch.mask.cpu().sum()])
            for (_, count), batch in zip(aggregated, self.batches, strict=True)
        ]
        denominator, counted = summed(torch.stack(counts).double().sum(0)).tolist()
        old = table([each.old for each in self.rollouts], self.mask) if compares_old else None
        tables = {"advantages": advantages, "returns": returns, "values": scored.values, "old": old}
        finished, start = [], 0
        for batch, (weights, _) in zip(self.batches, aggregated, strict=True):
            (rows, width), device = batch.mask.shape, batch.mask.device
            known = {
                name: None if each is None else each[start : start + rows, :width].to(device, dtype)
                for name, each in tables.items()
            }
            start += rows
            denominators = {"denominator": denominator or 1.0, "counted": counted or 1.0}
            finished.append(replace(batch, weights=weights.to(device, dtype), **denominators, **known))
        return finished

    def _penalties(self, kl: Penalty | None) -> Tensor:
        """What each token costs as divergence from the reference, R T; 0 unless it is taken off the reward."""
        if kl is None or not kl.in_reward:
            return torch.zeros(self.mask.shape, dtype=torch.float64)
        old = table([each.old for each in self.rollouts], self.mask)
        reference = stacked([batch.reference.double().cpu() for batch in self.batches])
        return (kl.coefficient * kl.estimator(old, reference, old)).where(self.mask, 0)

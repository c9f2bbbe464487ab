"""Estimates of advantages as parts of a config.

Legend: P prompts  G completions of a prompt  R = P × G completions of this rank's step  T tokens of a completion
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from lm.bounds import Share
from lm.policy.advantages import (
    Sum,
    generalized_advantages,
    group_relative,
    leave_one_out,
    spread,
    whiten,
)


@dataclass(frozen=True)
class Scored:
    """Completions of this rank's part of a step, with their rewards."""

    rewards: Tensor  # R  NaN where a completion is not scorable
    penalties: Tensor  # R T  what each token costs, as divergence from the reference; 0 without
    mask: Tensor  # R T  bool, tokens of completions that count
    finished: Tensor  # R  bool, whether an end token ended it
    group_size: int  # G
    values: Tensor | None = None  # R T  expected rewards by the value head

    @property
    def groups(self) -> Tensor:
        """Rewards less the penalties of all tokens, P G."""
        return (self.rewards - self.penalties.sum(-1)).view(-1, self.group_size)


class Advantage(ABC):
    """How much better than expected each token is.

    Attributes:
        least_group: Completions of a prompt that the estimate needs.
        compares_groups: Whether only differences within a group count, so that equal rewards teach nothing.
        needs_values: Whether it needs the values of a value head.
    """

    least_group: int = 1
    compares_groups: bool = False
    needs_values: bool = False

    @abstractmethod
    def __call__(self, scored: Scored, *, over_ranks: Sum) -> tuple[Tensor, Tensor | None]:
        """Return the advantages, R T, and what the values should have been, R T, if there are any."""


class GroupRelative(Advantage):
    """The reward less the mean of its group, as in GRPO and Dr. GRPO.

    Args:
        divide_by_deviation: Divide by the standard deviation of the group, as GRPO does. Prompts that are nearly always
            or nearly never solved then weigh more; Dr. GRPO leaves it out.
    """

    least_group, compares_groups = 2, True

    def __init__(self, *, divide_by_deviation: bool = False):
        self.divide_by_deviation = divide_by_deviation

    def __call__(self, scored: Scored, *, over_ranks: Sum) -> tuple[Tensor, Tensor | None]:
        found = group_relative(scored.groups, divide_by_deviation=self.divide_by_deviation)
        return spread(found.flatten(), scored.mask), None


class LeaveOneOut(Advantage):
    """The reward less the mean of the other rewards of its group, as in RLOO: an unbiased baseline."""

    least_group, compares_groups = 2, True

    def __call__(self, scored: Scored, *, over_ranks: Sum) -> tuple[Tensor, Tensor | None]:
        return spread(leave_one_out(scored.groups).flatten(), scored.mask), None


class Whitened(Advantage):
    """The reward, less the penalties of the tokens that follow, whitened over all tokens of the step: REINFORCE++.

    It needs one completion per prompt only (arXiv:2501.03262).

    Args:
        subtract_group_mean: Subtract the mean of its group first, as REINFORCE++-baseline does.
    """

    def __init__(self, *, subtract_group_mean: bool = False):
        self.subtract_group_mean = subtract_group_mean
        self.least_group = 2 if subtract_group_mean else 1

    def __call__(self, scored: Scored, *, over_ranks: Sum) -> tuple[Tensor, Tensor | None]:
        rewards = scored.rewards
        if self.subtract_group_mean:
            rewards = group_relative(rewards.view(-1, scored.group_size), divide_by_deviation=False).flatten()
        penalties = scored.penalties.where(scored.mask, 0)
        following = penalties.flip(-1).cumsum(-1).flip(-1)
        return whiten(rewards[:, None] - following, scored.mask, over_ranks=over_ranks), None


class Generalized(Advantage):
    """Generalized advantage estimates by a value head, whitened over all tokens of the step: PPO (arXiv:1506.02438).

    The reward comes with the last token, each token costs its penalty. After the end token nothing follows.

    Args:
        discount: Factor of a reward that comes a token later (gamma); 1 for answers, whose length should not matter.
        trace: Share of the later errors that counts (lambda): 1 has no bias, 0 least variance.
        bootstrap_truncated: Whether the value of the last token is added to the reward of a truncated completion, as if
            it went on. Its reward scores all that there is, so without discount the values would grow without end:
            leave it out unless truncated answers score less than what was to come.
        whitened: Whether advantages are whitened.
    """

    needs_values = True

    def __init__(
        self, *, discount: Share = 1.0, trace: Share = 0.95, bootstrap_truncated: bool = False, whitened: bool = True
    ):
        self.discount, self.trace, self.whitened = discount, trace, whitened
        self.bootstrap_truncated = bootstrap_truncated

    def __call__(self, scored: Scored, *, over_ranks: Sum) -> tuple[Tensor, Tensor | None]:
        mask = scored.mask
        last = torch.arange(mask.shape[1]) == mask.sum(-1, keepdim=True) - 1
        rewards = last * scored.rewards.nan_to_num()[:, None] - scored.penalties
        values = scored.values.where(mask, 0)
        ended = scored.finished if self.bootstrap_truncated else torch.ones_like(scored.finished)
        advantages = generalized_advantages(
            rewards, values, mask, discount=self.discount, trace=self.trace, finished=ended
        )
        returns = (advantages + values).where(mask, 0)
        return whiten(advantages, mask, over_ranks=over_ranks) if self.whitened else advantages, returns

"""How much better than expected each completion, or each of its tokens, is.

Legend: P prompts  G completions of a prompt  R = P × G rows  T tokens of a completion
"""

from collections.abc import Callable

import torch
from torch import Tensor

SMALL = 1e-4  # added to a standard deviation, as in TRL and verl
Sum = Callable[[Tensor], Tensor]  # the sum of a tensor over all ranks


def alone(values: Tensor) -> Tensor:
    """Return the sum over all ranks where there is one."""
    return values


def group_relative(rewards: Tensor, *, divide_by_deviation: bool) -> Tensor:
    """Return each reward less the mean of its group, as in GRPO (arXiv:2402.03300) and Dr. GRPO (arXiv:2503.20783).

    Args:
        rewards: Rewards, P G; NaN where a completion is not scorable: it leaves the mean, and its advantage is 0.
        divide_by_deviation: Divide by the sample standard deviation of the group, plus 1e-4, which weights prompts
            that are nearly always or nearly never solved above others. A group of one has the deviation 1.
    """
    known = ~rewards.isnan()
    count = known.sum(-1, keepdim=True)
    centred = (rewards - _mean(rewards, known, count)).where(known, 0)
    if not divide_by_deviation:
        return centred
    variance = centred.square().sum(-1, keepdim=True) / (count - 1).clamp(min=1)
    return centred / torch.where(count > 1, variance.sqrt() + SMALL, 1)


def leave_one_out(rewards: Tensor) -> Tensor:
    """Return each reward less the mean of the *other* rewards of its group, as in RLOO (arXiv:2402.14740).

    Args:
        rewards: Rewards, P G; NaN where a completion is not scorable. A reward without others has the advantage 0.
    """
    known = ~rewards.isnan()
    count = known.sum(-1, keepdim=True)
    centred = (rewards - _mean(rewards, known, count)).where(known, 0)
    return centred * count / (count - 1).clamp(min=1)


def whiten(values: Tensor, mask: Tensor, *, over_ranks: Sum = alone) -> Tensor:
    """Return values with mean 0 and variance 1 over everything in the mask; 0 elsewhere.

    The mean is taken before the squares, so that values far from 0 lose no digits.

    Args:
        values: Any shape.
        mask: True where a value counts; others do not enter, even if they are infinite or NaN.
        over_ranks: Sums over the ranks, so that the moments are those of the whole step.
    """
    values = values.where(mask, 0)
    count = over_ranks(mask.sum().to(values.dtype))
    mean = over_ranks(values.sum()) / count.clamp(min=1)
    centred = (values - mean).where(mask, 0)
    variance = over_ranks(centred.square().sum()) / (count - 1).clamp(min=1)
    return centred / (variance.sqrt() + SMALL)


def generalized_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, *, discount: float, trace: float, finished: Tensor
) -> Tensor:
    """Return generalized advantage estimates (arXiv:1506.02438): the sum of discounted errors of the value.

        error_t = reward_t + discount × value_{t+1} − value_t
        advantage_t = error_t + discount × trace × advantage_{t+1}

    After the end token nothing follows, so the value there is 0. A truncated completion would have continued: the value
    of its last token stands for what follows.

    Args:
        rewards: Reward of each token, R T.
        values: Expected reward before each token, R T.
        mask: True for the tokens of the completion, which are the first ones of a row, R T. Others do not enter.
        discount: Factor of a reward that comes a token later (gamma).
        trace: Share of the later errors that counts (lambda): 1 has no bias, 0 least variance.
        finished: Whether an end token ended each row, bool R.

    Returns:
        Advantages, R T, 0 outside the mask. The target of the value is `advantage + value`.
    """
    rewards, values = rewards.where(mask, 0), values.where(mask, 0)
    following = torch.where(finished, 0.0, 1.0).to(values) * _last(values, mask)  # R, value after the last token
    advantage = torch.zeros_like(following)
    advantages = torch.zeros_like(values)
    for t in reversed(range(values.shape[1])):
        here = mask[:, t]
        error = rewards[:, t] + discount * following - values[:, t]
        advantage = torch.where(here, error + discount * trace * advantage, advantage)
        following = torch.where(here, values[:, t], following)
        advantages[:, t] = advantage.where(here, 0)
    return advantages


def spread(advantages: Tensor, mask: Tensor) -> Tensor:
    """Return the advantage of each row at each of its tokens: R, R T → R T, 0 outside the mask."""
    return advantages[:, None].where(mask, 0)


def _mean(rewards: Tensor, known: Tensor, count: Tensor) -> Tensor:
    return rewards.where(known, 0).sum(-1, keepdim=True) / count.clamp(min=1)


def _last(values: Tensor, mask: Tensor) -> Tensor:
    """The value at the last token of each row, R; 0 for an empty one."""
    last = (mask.sum(-1, keepdim=True) - 1).clamp(min=0)
    return values.gather(1, last)[:, 0].where(mask.any(-1), 0)

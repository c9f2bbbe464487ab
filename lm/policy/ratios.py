"""How much likelier the policy makes a completion than the weights that generated it.

Legend: R rows  T tokens of a completion
"""

import torch
from torch import Tensor

LIMIT = 20.0  # of the log-ratio: exp(20) is far beyond every clip, and exp of more overflows


def token_ratio(new: Tensor, old: Tensor, mask: Tensor) -> Tensor:
    """Return the ratio of each token, as in PPO and GRPO.

    Args:
        new: Log-probability of each token by the policy, R T.
        old: The same by the weights that generated it, R T.
        mask: True for the tokens that count, R T.

    Returns:
        Ratios, R T, with gradient; 1 outside the mask.
    """
    return _exp((new - old).where(mask, 0))


def sequence_mean_ratio(new: Tensor, old: Tensor, mask: Tensor) -> Tensor:
    """Return exp of the *mean* log-ratio of a row at each of its tokens, as in GSPO (arXiv:2507.18071).

    It differs far less from 1 than the ratio of a token: clip at about 3e-4 and 4e-4. Average over rows only.

    Args:
        new: Log-probability of each token by the policy, R T.
        old: The same by the weights that generated it, R T.
        mask: True for the tokens that count, R T.

    Returns:
        Ratios, R T, with gradient, equal along a row.
    """
    log_ratio = (new - old).where(mask, 0).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1)
    return _exp(log_ratio).expand_as(new)


def sequence_sum_ratio(new: Tensor, old: Tensor, mask: Tensor) -> Tensor:
    """Return the ratio of a whole completion, exp of the *sum* of its log-ratios, at each of its tokens, as in RLOO.

    Average over rows only.

    Args:
        new: Log-probability of each token by the policy, R T.
        old: The same by the weights that generated it, R T.
        mask: True for the tokens that count, R T.

    Returns:
        Ratios, R T, with gradient, equal along a row.
    """
    return _exp((new - old).where(mask, 0).sum(-1, keepdim=True)).expand_as(new)


def _exp(log_ratio: Tensor) -> Tensor:
    return torch.exp(log_ratio.clamp(-LIMIT, LIMIT))

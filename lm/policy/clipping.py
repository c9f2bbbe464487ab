"""The surrogate loss of each token, and where its gradient is switched off.

Legend: R rows  T tokens of a completion
"""

import torch
from torch import Tensor

from lm.bounds import BelowOne, Positive


def clip(
    ratio: Tensor,
    advantages: Tensor,
    log_probabilities: Tensor,
    *,
    low: BelowOne = 0.2,
    high: Positive = 0.2,
    dual: Positive | None = None,
) -> tuple[Tensor, Tensor]:
    """Return −min(ratio × A, clip(ratio, 1 − low, 1 + high) × A), the loss of PPO (arXiv:1707.06347).

    The gradient is off where a step has gone far enough in the direction of the advantage, and on where it went the
    wrong way.

    Args:
        ratio: Likelihood by the policy over that by the weights that generated, R T, with gradient.
        advantages: Advantage of each token, R T.
        log_probabilities: Log-probability of each token by the policy, R T; not read here.
        low: How far below 1 the ratio still has gradient where the advantage is negative.
        high: How far above 1 it still has gradient where the advantage is positive. More than `low` keeps unlikely
            tokens alive: 0.28 in DAPO (arXiv:2503.14476).
        dual: Largest ratio that counts where the advantage is negative, more than 1, as 3 (arXiv:1912.09729); null
            for no limit.

    Returns:
        Loss of each token, R T, and whether its gradient is off, bool R T.

    Raises:
        ValueError: `dual` is not more than 1.
    """
    if dual is not None and dual <= 1:
        raise ValueError(f"objective.clipping.dual={dual} is not more than 1, so it would clip every token: try 3")
    objective = torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    off = torch.where(advantages > 0, ratio > 1 + high, ratio < 1 - low) & (advantages != 0)
    if dual is not None:
        negative = advantages < 0
        off |= negative & (ratio > dual)
        objective = torch.where(negative, torch.maximum(objective, dual * advantages), objective)
    return -objective, off


def cispo(
    ratio: Tensor, advantages: Tensor, log_probabilities: Tensor, *, largest: Positive = 5.0
) -> tuple[Tensor, Tensor]:
    """Return −min(ratio, largest) × A × log-probability, whose weight has no gradient: CISPO (arXiv:2506.13585).

    Every token keeps a gradient; only its weight is limited.

    Args:
        ratio: Likelihood by the policy over that by the weights that generated, R T.
        advantages: Advantage of each token, R T.
        log_probabilities: Log-probability of each token by the policy, R T, with gradient.
        largest: Largest weight, absolute, as in TRL; what other libraries call ε_high is this less 1.

    Returns:
        Loss of each token, R T, and whether its weight is limited, bool R T.
    """
    weight = ratio.detach()
    return -weight.clamp(max=largest) * advantages * log_probabilities, weight > largest


def unclipped(ratio: Tensor, advantages: Tensor, log_probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Return −ratio × A: the policy gradient without a limit, for one optimizer step per rollout.

    Args:
        ratio: Likelihood by the policy over that by the weights that generated, R T, with gradient.
        advantages: Advantage of each token, R T.
        log_probabilities: Log-probability of each token by the policy, R T; not read here.

    Returns:
        Loss of each token, R T, and where its gradient is off: nowhere.
    """
    return -ratio * advantages, torch.zeros_like(advantages, dtype=torch.bool)


def clipped_value_loss(values: Tensor, old: Tensor, returns: Tensor, *, clip: float | None) -> Tensor:
    """Return half the squared error of each value, not lowered by what it moved beyond `clip` from `old`, R T.

    Args:
        values: Expected reward before each token by the value head, R T, with gradient.
        old: The same when the completions were generated, R T.
        returns: What the values should have been, R T.
        clip: How far a value may move in one rollout; None for no limit.
    """
    error = (values - returns).square()
    if clip is not None:
        near = torch.maximum(torch.minimum(values, old + clip), old - clip)
        error = torch.maximum(error, (near - returns).square())
    return 0.5 * error

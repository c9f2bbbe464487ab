"""Keep a policy near its reference: estimates of the divergence, in the reward or in the loss.

With ℓ = log reference − log policy at a token that the policy sampled, the means of k1 = −ℓ, k2 = ℓ²/2 and
k3 = exp(ℓ) − ℓ − 1 are (near) KL(policy ‖ reference). As a loss their *gradients* count (arXiv:2510.01555): that of k1
has the mean 0, that of k3 belongs to KL(reference ‖ policy), and those of k2 and of ratio × k3 to the divergence that
is meant. So k1 is taken off the reward, and k2 or ratio × k3 are added to the loss.

Legend: R rows  T tokens of a completion
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lm.bounds import Positive
from lm.policy.ratios import LIMIT


def k1(policy: Tensor, reference: Tensor, old: Tensor) -> Tensor:
    """Return log policy − log reference: unbiased, of either sign. For the reward.

    Args:
        policy: Log-probability of each token by the policy, R T.
        reference: The same by the reference, R T.
        old: The same by the weights that generated the token, R T; not read here.
    """
    return policy - reference


def k2(policy: Tensor, reference: Tensor, old: Tensor) -> Tensor:
    """Return half the squared log-ratio, whose gradient is that of KL(policy ‖ reference). For the loss.

    Args:
        policy: Log-probability of each token by the policy, R T, with gradient.
        reference: The same by the reference, R T.
        old: The same by the weights that generated the token, R T; not read here.
    """
    return 0.5 * (policy - reference).square()


def k3(policy: Tensor, reference: Tensor, old: Tensor) -> Tensor:
    """Return exp(ℓ) − ℓ − 1: unbiased and never negative. For logs; its gradient is that of another divergence.

    Args:
        policy: Log-probability of each token by the policy, R T.
        reference: The same by the reference, R T.
        old: The same by the weights that generated the token, R T; not read here.
    """
    log_ratio = (reference - policy).clamp(-LIMIT, LIMIT)
    return torch.exp(log_ratio) - log_ratio - 1


def ratio_k3(policy: Tensor, reference: Tensor, old: Tensor) -> Tensor:
    """Return the ratio × k3, right also where the tokens come from older weights. For the loss.

    Args:
        policy: Log-probability of each token by the policy, R T, with gradient.
        reference: The same by the reference, R T.
        old: The same by the weights that generated the token, R T.
    """
    return torch.exp((policy - old).clamp(-LIMIT, LIMIT)) * k3(policy, reference, old)


class Penalty:
    """A price on the divergence from the reference model, the policy before this training.

    Args:
        coefficient: Price of a nat per token (beta), such as 0.01 to 0.1.
        in_reward: Whether it is taken off the reward; else it is added to the loss.
        estimator: Estimate of the divergence at a token: `k1` for the reward, `k2` or `ratio_k3` for the loss.

    Raises:
        ValueError: The estimator has no or the wrong gradient in the loss, or the wrong mean in the reward.
    """

    def __init__(
        self, *, coefficient: Positive, in_reward: bool, estimator: Callable[[Tensor, Tensor, Tensor], Tensor]
    ) -> None:
        self.coefficient, self.in_reward, self.estimator = coefficient, in_reward, estimator
        plain = estimator.func if isinstance(estimator, partial) else estimator
        key = "objective.kl.estimator"
        if in_reward and plain is not k1:
            raise ValueError(
                f"{key}: {plain.__name__} in the reward is biased for the gradient of KL(policy ‖ reference): "
                "set objective/kl=reward, which takes k1"
            )
        if not in_reward and plain is k1:
            raise ValueError(f"{key}: k1 in the loss has a gradient of mean 0, no penalty: set objective/kl=loss")
        if not in_reward and plain is k3:
            raise ValueError(
                f"{key}: k3 in the loss has the gradient of KL(reference ‖ policy), another quantity: set "
                "objective/kl=loss (k2) or objective/kl=ratio (ratio × k3)"
            )

"""Preference losses that judge each side of a pair by itself, against a reference.

r is log π − log π_ref of an answer, σ the logistic function, and βr the reward.

Legend: N pairs
"""

import torch
from torch.nn.functional import logsigmoid

from lm.bounds import Positive
from lm.objective.pairs import Pairs, Scored


def nca(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """Noise contrastive alignment for pairs: the chosen answer also keeps its likelihood (arXiv:2402.05369).

    −ln σ(βr_chosen) − ½ ln σ(−βr_chosen) − ½ ln σ(−βr_rejected).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
    """
    chosen, rejected = (beta * ratio for ratio in pairs.ratios())
    return Scored(-logsigmoid(chosen) - 0.5 * logsigmoid(-chosen) - 0.5 * logsigmoid(-rejected), chosen, rejected)


def bco(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """A binary classifier of good and bad answers, −ln σ(βr_chosen) − ln σ(−βr_rejected) (arXiv:2404.04656).

    Without the paper's running shift of the rewards, which no function of one pair can have; so in trl.

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
    """
    chosen, rejected = (beta * ratio for ratio in pairs.ratios())
    return Scored(-logsigmoid(chosen) - logsigmoid(-rejected), chosen, rejected)


def sppo(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """Self-play with hard labels: r of the chosen side is led to 1/(2β), of the rejected to −1/(2β) (arXiv:2405.00675).

    (r_chosen − 1/(2β))² + (r_rejected + 1/(2β))².

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Reciprocal of the distance, in nats, that the sides are led to.
    """
    chosen, rejected = pairs.ratios()
    target = 0.5 / beta
    return Scored((chosen - target).square() + (rejected + target).square(), beta * chosen, beta * rejected)


def apo_zero(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """Anchored preference optimization, up: for chosen answers better than the model's (arXiv:2408.06266, equation 7).

    1 − σ(βr_chosen) + σ(βr_rejected): the chosen side becomes more likely, the rejected one less.

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
    """
    chosen, rejected = (beta * ratio for ratio in pairs.ratios())
    return Scored(1 - torch.sigmoid(chosen) + torch.sigmoid(rejected), chosen, rejected)


def apo_down(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """Anchored preference optimization, down: for chosen answers worse than the model's (arXiv:2408.06266, equation 8).

    σ(βr_chosen) + 1 − σ(βΔ): both sides become less likely, the rejected one more so.

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
    """
    chosen, rejected = (beta * ratio for ratio in pairs.ratios())
    return Scored(torch.sigmoid(chosen) + 1 - torch.sigmoid(chosen - rejected), chosen, rejected)

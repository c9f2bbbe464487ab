"""Preference losses without a reference model, of log-probabilities per token.

l is log π of an answer divided by its tokens, and σ the logistic function.

Legend: N pairs
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lm.bounds import NonNegative, Positive
from lm.objective.pairs import Pairs, Scored


def simpo(pairs: Pairs, *, beta: Positive = 2.0, gamma: NonNegative = 1.0) -> Scored:
    """Simple preference optimization, −ln σ(β(l_chosen − l_rejected) − γ) (Meng et al. 2024, arXiv:2405.14734).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Scale of the rewards βl; 2 to 10 in the paper.
        gamma: Margin that the rewards should differ by; a quarter to a half of `beta`.
    """
    chosen, rejected = (beta * each for each in pairs.per_token())
    return Scored(-logsigmoid(chosen - rejected - gamma), chosen, rejected)


def orpo(pairs: Pairs, *, odds_weight: NonNegative = 0.1) -> Scored:
    """Tuning and preference at once, −l_chosen − λ ln σ(log odds ratio) (Hong et al. 2024, arXiv:2403.07691).

    The likelihood is of the chosen answer alone; trl's is of the prompt too.

    Args:
        pairs: Log-probabilities of the pairs.
        odds_weight: λ, the weight of the odds ratio beside the likelihood; 0.1 in the paper.
    """
    chosen, rejected = pairs.per_token()
    odds = (chosen - rejected) - (_log_of_the_rest(chosen) - _log_of_the_rest(rejected))
    return Scored(-chosen - odds_weight * logsigmoid(odds), odds_weight * chosen, odds_weight * rejected)


def cpo(pairs: Pairs, *, beta: Positive = 0.1, likelihood_weight: NonNegative = 1.0) -> Scored:
    """Contrastive preference optimization: DPO with a uniform reference, plus the likelihood of the chosen answer.

    −ln σ(β(log π_chosen − log π_rejected)) − λ l_chosen (Xu et al. 2024, arXiv:2401.08417).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Scale of the rewards β log π.
        likelihood_weight: λ, the weight of the likelihood, which is per token.
    """
    chosen, rejected = beta * pairs.chosen, beta * pairs.rejected
    likelihood, _ = pairs.per_token()
    return Scored(-logsigmoid(chosen - rejected) - likelihood_weight * likelihood, chosen, rejected)


def likelihood(pairs: Pairs) -> Scored:
    """The likelihood of the chosen answer alone, −l_chosen: instruction tuning, as a part of `weighted`.

    Each pair counts alike, however long its answer.

    Args:
        pairs: Log-probabilities of the pairs.
    """
    chosen, rejected = pairs.per_token()
    return Scored(-chosen, chosen, rejected)


def _log_of_the_rest(log_probability: Tensor) -> Tensor:
    """ln(1 − e^x) for x < 0, stably; a certain token (x = 0) counts as nearly certain, so that nothing is infinite."""
    below = log_probability.clamp(max=-torch.finfo(log_probability.dtype).eps)
    near = torch.log(-torch.expm1(below.clamp(min=-1.0)))
    return torch.where(below > -0.6931, near, torch.log1p(-torch.exp(below.clamp(max=-0.5))))

"""Preference losses that compare the sides of a pair with a reference, each a function of the difference of both.

r is log π − log π_ref of an answer, Δ is r of the chosen minus r of the rejected answer, σ the logistic function, and
βr the reward. `side_losses` has the losses that judge each side by itself, `reference_free_losses` the others.

Legend: N pairs
"""

from collections.abc import Callable, Mapping
from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor
from torch.nn.functional import logsigmoid

from lm.bounds import BelowHalf, Positive
from lm.objective.pairs import Pairs, Scored


def dpo(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """Direct preference optimization, −ln σ(βΔ) (Rafailov et al. 2023, arXiv:2305.18290).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference: the smaller, the further the model moves. 0.1 is the paper's; 0.01 to 0.5
            are usual.
    """
    chosen, rejected = _rewards(pairs, beta)
    return Scored(-logsigmoid(chosen - rejected), chosen, rejected)


def cdpo(pairs: Pairs, *, beta: Positive = 0.1, label_smoothing: BelowHalf = 0.1) -> Scored:
    """DPO for labels that are wrong with probability ε: −(1 − ε) ln σ(βΔ) − ε ln σ(−βΔ) (Mitchell 2023).

    Pairs are no longer pushed apart once the model prefers the chosen one with probability 1 − ε.

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
        label_smoothing: ε, the share of wrong labels, below ½; 0 is DPO.
    """
    chosen, rejected = _rewards(pairs, beta)
    return Scored(_smoothed(chosen - rejected, label_smoothing), chosen, rejected)


def robust(pairs: Pairs, *, beta: Positive = 0.1, label_smoothing: BelowHalf = 0.1) -> Scored:
    """Unbiased DPO under noise, [−(1 − ε) ln σ(βΔ) + ε ln σ(−βΔ)] / (1 − 2ε) (Ray Chowdhury et al. 2024).

    Its mean over labels that are flipped with probability ε is the DPO loss of the right labels (arXiv:2403.00409).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
        label_smoothing: ε, the share of flipped labels, below ½; 0 is DPO.
    """
    chosen, rejected = _rewards(pairs, beta)
    right, wrong = -logsigmoid(chosen - rejected), -logsigmoid(rejected - chosen)
    return Scored(
        ((1 - label_smoothing) * right - label_smoothing * wrong) / (1 - 2 * label_smoothing), chosen, rejected
    )


def ipo(pairs: Pairs, *, beta: Positive = 0.1, per_token: bool = True) -> Scored:
    """Identity preference optimization, (Δ − 1/(2β))²: a margin to reach, not to exceed (arXiv:2310.12036).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: τ of the paper: the target margin is 1/(2β), in nats.
        per_token: Divide r of each side by its tokens, as the authors and trl do; false sums, as OpenRLHF does.
    """
    chosen, rejected = pairs.ratios_per_token() if per_token else pairs.ratios()
    return Scored((chosen - rejected - 1 / (2 * beta)).square(), beta * chosen, beta * rejected)


def dpo_norm(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """DPO with r of each side divided by its tokens, so that length alone earns nothing (Tülu 3, arXiv:2411.15124).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference per token; Tülu 3 used 5.
    """
    chosen, rejected = (beta * ratio for ratio in pairs.ratios_per_token())
    return Scored(-logsigmoid(chosen - rejected), chosen, rejected)


def hinge(pairs: Pairs, *, beta: Positive = 0.1) -> Scored:
    """A hinge in place of the logistic loss, max(0, 1 − βΔ): RSO and SLiC (arXiv:2309.06657).

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Reciprocal of the margin, in nats, beyond which a pair no longer counts.
    """
    chosen, rejected = _rewards(pairs, beta)
    return Scored(torch.relu(1 - (chosen - rejected)), chosen, rejected)


def dpop(pairs: Pairs, *, beta: Positive = 0.1, penalty: Positive = 50.0) -> Scored:
    """DPO-Positive, −ln σ(β(Δ − λ max(0, −r_chosen))): the chosen answer must not become less likely.

    Pal et al. 2024, arXiv:2402.13228. DPO may lower both sides, where they differ in few tokens.

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference; the paper used 0.3.
        penalty: λ, the weight of a loss of likelihood; the paper used 5 to 500.
    """
    ratio, _ = pairs.ratios()
    chosen, rejected = _rewards(pairs, beta)
    return Scored(-logsigmoid(chosen - rejected - beta * penalty * torch.relu(-ratio)), chosen, rejected)


def exo(pairs: Pairs, *, beta: Positive = 0.1, label_smoothing: Annotated[float, Gt(0), Lt(0.5)] = 1e-3) -> Scored:
    """Exact optimization: the reverse KL divergence from the model's preference to the smoothed label.

    Ji et al. 2024, arXiv:2402.00856, equation 16, for pairs.

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
        label_smoothing: ε, the share of wrong labels, above 0 and below ½.
    """
    chosen, rejected = _rewards(pairs, beta)
    smooth = torch.as_tensor(label_smoothing, dtype=chosen.dtype)
    for_it, against = logsigmoid(chosen - rejected), logsigmoid(rejected - chosen)
    losses = for_it.exp() * (for_it - torch.log1p(-smooth)) + against.exp() * (against - smooth.log())
    return Scored(losses, chosen, rejected)


def discopop(pairs: Pairs, *, beta: Positive = 0.1, tau: Positive = 0.05) -> Scored:
    """A loss that a language model discovered: the logistic and the exponential loss, blended by σ(βΔ/τ).

    Lu et al. 2024, arXiv:2406.08414, equation 5.

    Args:
        pairs: Log-probabilities of the pairs.
        beta: Price of leaving the reference.
        tau: Temperature of the blend; the paper's is 0.05.
    """
    chosen, rejected = _rewards(pairs, beta)
    margin = chosen - rejected
    blend = torch.sigmoid(margin / tau)
    return Scored(-logsigmoid(margin) * (1 - blend) + torch.exp(-margin) * blend, chosen, rejected)


def weighted(
    pairs: Pairs, *, formulas: Mapping[str, Callable[[Pairs], Scored]], weights: Mapping[str, float]
) -> Scored:
    """The weighted sum of several losses, such as MPO (Wang et al. 2024, arXiv:2411.10442).

    Args:
        pairs: Log-probabilities of the pairs.
        formulas: Losses by name. Rewards, and so the metrics, are those of the first.
        weights: Weight of each, by the same names.

    Raises:
        ValueError: The names differ.
    """
    if formulas.keys() != weights.keys() or not formulas:
        raise ValueError(
            f"objective.formula.weights names {', '.join(weights) or 'nothing'}, and objective.formula.formulas "
            f"{', '.join(formulas) or 'nothing'}: give each formula one weight"
        )
    scored = {name: formula(pairs) for name, formula in formulas.items()}
    first = next(iter(scored.values()))
    losses = sum(weights[name] * each.losses for name, each in scored.items())
    return Scored(losses, first.chosen, first.rejected)


def _rewards(pairs: Pairs, beta: float) -> tuple[Tensor, Tensor]:
    """βr of both sides."""
    chosen, rejected = pairs.ratios()
    return beta * chosen, beta * rejected


def _smoothed(margin: Tensor, label_smoothing: float) -> Tensor:
    return -(1 - label_smoothing) * logsigmoid(margin) - label_smoothing * logsigmoid(-margin)

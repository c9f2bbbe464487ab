"""Choose the next token from logits: temperature, top-k, top-p and repetition penalty.

Legend: B batch  V vocabulary
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lm.generation.ordering import ordered

HEAD = 64  # most likely tokens among which nearly every draw falls


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen. The options apply in the order below; the defaults change nothing.

    Args:
        temperature: Divisor of the logits: below 1 sharpens, above 1 flattens, 0 takes the most likely (greedy).
        top_k: Number of most likely tokens to keep, at least 1; null keeps all.
        top_p: Probability in (0, 1] that the most likely tokens must reach together; the others are dropped
            (nucleus sampling, arXiv:1904.09751). 1 keeps all.
        repetition_penalty: Factor from 0.0001 to 10000, applied before the temperature to logits of tokens that the row
            already contains: above 1 makes them less likely (CTRL, arXiv:1909.05858). 1 is none.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature != 0 and not 1e-4 <= self.temperature < math.inf:
            raise ValueError(
                f"sampling.temperature {self.temperature} is neither 0 (greedy) nor at least 0.0001: try 0 or 0.8"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"sampling.top_k {self.top_k} keeps no token: try 50, or null for no limit")
        if not 1e-30 <= self.top_p <= 1:  # a smaller one is 0 in float32, which keeps no token
            raise ValueError(f"sampling.top_p {self.top_p} is not from 1e-30 to 1: try 0.95, or 1 for no limit")
        if not 1e-4 <= self.repetition_penalty <= 1e4:  # beyond, logits become infinite
            raise ValueError(
                f"sampling.repetition_penalty {self.repetition_penalty} is not from 0.0001 to 10000: try 1.1"
            )

    @property
    def filters(self) -> bool:
        """Whether less likely tokens are dropped."""
        return self.top_k is not None or self.top_p < 1


def sample_tokens(
    logits: Tensor,  # B V
    *,
    sampling: Sampling,
    generators: Sequence[torch.Generator],
    seen: Tensor | None = None,  # B V
) -> Tensor:  # B
    """Choose the next token of each row.

    Args:
        logits: Logits of the next token [B, V].
        sampling: How to choose.
        generators: One CPU generator per row, so that a row's draws do not depend on its neighbours.
        seen: True for tokens that the row already contains [B, V]; None for no repetition penalty.

    Returns:
        Token ids [B].
    """
    logits = penalize_repetition(logits.float(), seen=seen, penalty=sampling.repetition_penalty)
    if sampling.temperature == 0:
        return logits.argmax(-1)
    draws = torch.stack([torch.rand((), generator=generator, dtype=torch.float64) for generator in generators])
    draws = draws.to(logits.device, logits.dtype)  # B
    if logits.shape[-1] <= 4 * HEAD or (sampling.top_k or 0) >= HEAD:
        return _drawn(logits, draws, sampling=sampling)
    chosen, found = _drawn_from_head(logits, draws, sampling=sampling)
    if not found.all():
        rows = ~found
        chosen[rows] = _drawn(logits[rows], draws[rows], sampling=sampling)
    return chosen


def _drawn(logits: Tensor, draws: Tensor, *, sampling: Sampling) -> Tensor:
    """The first token, most likely first, at which the total exceeds the draw's share of all: B V, B → B."""
    probabilities, tokens = truncated_distribution(logits, sampling=sampling)
    totals = probabilities.cumsum(-1)  # B V
    threshold = draws[:, None] * totals[:, -1:]
    place = (totals <= threshold).sum(-1, keepdim=True)
    last = (probabilities > 0).sum(-1, keepdim=True) - 1  # rounding must not reach a dropped token
    return tokens.gather(-1, torch.minimum(place, last)).squeeze(-1)


def _drawn_from_head(logits: Tensor, draws: Tensor, *, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """The same from the most likely tokens alone, without ordering the others: B V, B → B, and where it is certain, B.

    Sorting a vocabulary of 4,096 takes a quarter of a rollout's time on a CPU, and nearly all draws are among the first
    hundred tokens.
    """
    ids = logits.topk(HEAD, sorted=False).indices.sort(-1).values  # the lower id first among equal logits
    head = logits.gather(-1, ids)  # B HEAD
    normalizer = None if sampling.top_k is not None else (logits / sampling.temperature).logsumexp(-1, keepdim=True)
    probabilities, order = truncated_distribution(head, sampling=sampling, normalizer=normalizer)
    totals = probabilities.cumsum(-1)
    threshold = draws * totals[:, -1] if sampling.filters else draws  # of all tokens together, 1
    place = (totals <= threshold[:, None]).sum(-1, keepdim=True)
    last = (probabilities > 0).sum(-1, keepdim=True) - 1
    place = order.gather(-1, torch.minimum(place, last).clamp(min=0))
    certain = (totals[:, -1] > threshold) & (head.gather(-1, place)[:, 0] > head.amin(-1))
    if sampling.filters:
        certain &= probabilities[:, -1] == 0  # all that the filter keeps is in the head
    return ids.gather(-1, place)[:, 0], certain


def penalize_repetition(logits: Tensor, *, seen: Tensor | None, penalty: float) -> Tensor:
    """Lower the logits of seen tokens: positive ones are divided by `penalty`, negative ones multiplied."""
    if seen is None or penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def truncated_distribution(
    logits: Tensor, *, sampling: Sampling, normalizer: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return probabilities, most likely first, 0 for dropped tokens, not renormalized [B, V]; and their ids [B, V].

    Args:
        logits: Logits [B, V].
        sampling: Temperature and filter.
        normalizer: Log of the sum of the exponentials of all tempered logits [B, 1], where these are only some; None
            where they are all.
    """
    values, tokens = ordered(logits)
    values = values / sampling.temperature
    if sampling.top_k is not None:
        values[:, sampling.top_k :] = -torch.inf
    probabilities = values.softmax(-1) if normalizer is None else (values - normalizer).exp()
    if sampling.top_p < 1:
        before = probabilities.cumsum(-1) - probabilities  # reached by more likely tokens
        probabilities = torch.where(before < sampling.top_p, probabilities, 0)
    return probabilities, tokens


def chosen_log_probabilities(
    logits: Tensor,  # N V
    tokens: Tensor,  # N
    *,
    sampling: Sampling,
    seen: Tensor | None = None,  # N V
) -> Tensor:  # N
    """Return the log-probability of each token in the distribution that `sample_tokens` draws from, with gradient.

    Generation and training both take it from here. A token that the filter drops, as it may once the weights have
    changed, counts as kept.

    Args:
        logits: Logits of the token's place, N V.
        tokens: Token ids, N.
        sampling: How tokens are chosen; greedy gives 0.
        seen: True for tokens that the row already contained; None for no repetition penalty.

    Returns:
        In fp32, or fp64 for such logits, N.
    """
    logits = kept_logits(logits, tokens, sampling=sampling, seen=seen)
    return logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)


def drawn_log_probabilities(
    logits: Tensor,  # N V
    tokens: Tensor,  # N
    *,
    sampling: Sampling,
    seen: Tensor | None = None,  # N V
) -> Tensor:  # N
    """Return the log-probability with which `sample_tokens` draws each token: -inf for one that the filter drops.

    `chosen_log_probabilities` differs for these alone, since training must not meet an infinite loss.

    Args:
        logits: Logits of the token's place, N V.
        tokens: Token ids, N.
        sampling: How tokens are chosen; greedy gives 0 for the most likely token.
        seen: True for tokens that the row already contained; None for no repetition penalty.

    Returns:
        In fp32, or fp64 for such logits, N.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    logits = penalize_repetition(logits, seen=seen, penalty=sampling.repetition_penalty)
    if sampling.temperature == 0:
        return torch.zeros_like(logits[:, 0]).masked_fill(logits.argmax(-1) != tokens, -torch.inf)
    if sampling.filters:
        probabilities, order = truncated_distribution(logits, sampling=sampling)
        kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, probabilities > 0)
        logits = logits.masked_fill(~kept, -torch.inf)
    return (logits / sampling.temperature).log_softmax(-1).gather(-1, tokens[:, None])[:, 0]


def kept_logits(logits: Tensor, tokens: Tensor, *, sampling: Sampling, seen: Tensor | None = None) -> Tensor:
    """Return the tempered logits, -inf where top-k or top-p drops a token, unless it is the chosen one: N V."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    logits = penalize_repetition(logits, seen=seen, penalty=sampling.repetition_penalty)
    if sampling.temperature == 0:
        return torch.full_like(logits, -torch.inf).scatter(-1, tokens[:, None], 0.0)
    if sampling.filters:
        probabilities, order = truncated_distribution(logits.detach(), sampling=sampling)
        kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, probabilities > 0)
        logits = logits.masked_fill(~kept.scatter(-1, tokens[:, None], True), -torch.inf)
    return logits / sampling.temperature

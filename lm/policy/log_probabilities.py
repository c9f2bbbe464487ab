"""Log-probabilities of generated tokens, and the entropy where they were drawn: by the sampling that generated them.

Legend: N tokens  D dim  V vocabulary  R completions  T tokens of a completion
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lm.generation import Sampling, chosen_log_probabilities, kept_logits
from lm.objective.loss import CHUNK, target_losses, target_losses_and_entropies


def sampled_log_probabilities(hidden: Tensor, weight: Tensor, tokens: Tensor, *, sampling: Sampling) -> Tensor:
    """Return the log-probability of each token in the filtered, tempered distribution, with gradient: N.

    Logits exist for one chunk at a time; the backward pass computes them again.

    Args:
        hidden: Features that the tokens are predicted from, N D.
        weight: Output embeddings, V D.
        tokens: Token ids, N.
        sampling: How the tokens were chosen.
    """
    if not sampling.filters:
        return -target_losses(hidden / sampling.temperature, weight, tokens)

    def chunk(rows: Tensor, chosen: Tensor) -> Tensor:
        return chosen_log_probabilities(rows @ weight.T, chosen, sampling=sampling)

    parts = [*zip(hidden.split(CHUNK), tokens.split(CHUNK), strict=True)]
    if len(parts) == 1:
        return chunk(*parts[0])
    return torch.cat([checkpoint(chunk, *part, use_reentrant=False) for part in parts])


def log_probabilities_and_entropies(
    hidden: Tensor, weight: Tensor, tokens: Tensor, *, sampling: Sampling
) -> tuple[Tensor, Tensor]:
    """Return the same, N, and the entropy in nats of the distribution that each token was drawn from, N, as a metric.

    Without a filter both come from one pass over the vocabulary. Arguments as above.
    """
    if not sampling.filters:
        losses, entropies = target_losses_and_entropies(hidden / sampling.temperature, weight, tokens)
        return -losses, entropies
    entropies = _entropies(hidden.detach(), weight, tokens, sampling=sampling)
    return sampled_log_probabilities(hidden, weight, tokens, sampling=sampling), entropies


@torch.no_grad()
def _entropies(hidden: Tensor, weight: Tensor, tokens: Tensor, *, sampling: Sampling) -> Tensor:
    found = []
    for rows, chosen in zip(hidden.split(CHUNK), tokens.split(CHUNK), strict=True):
        log = kept_logits(rows @ weight.T, chosen, sampling=sampling).log_softmax(-1)
        found.append(-(log.exp() * log.masked_fill(log.isneginf(), 0)).sum(-1))
    return torch.cat(found)


def in_columns(values: Tensor, mask: Tensor) -> Tensor:
    """Return values of the masked tokens, N, as R T with 0 elsewhere; differentiable."""
    return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter(mask, values)

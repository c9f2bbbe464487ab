"""Log-probabilities of generated tokens, and the entropy where they were drawn: by the sampling that generated them.

Legend: N tokens  D dim  V vocabulary  R completions  T tokens of a completion
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lm.generation import Sampling, chosen_log_probabilities, kept_logits
from lm.model import Projection
from lm.objective.loss import CHUNK, target_losses, target_losses_and_entropies


def sampled_log_probabilities(hidden: Tensor, projection: Projection, tokens: Tensor, *, sampling: Sampling) -> Tensor:
    """Return the log-probability of each token in the filtered, tempered distribution, with gradient: N.

    Logits exist for one chunk at a time; the backward pass computes them again.

    Args:
        hidden: Features that the tokens are predicted from, N D.
        projection: The model's, from features to logits.
        tokens: Token ids, N.
        sampling: How the tokens were chosen.
    """
    if _in_one_pass(projection, sampling):
        return -target_losses(hidden / sampling.temperature, projection, tokens)

    def chunk(rows: Tensor, chosen: Tensor) -> Tensor:
        return chosen_log_probabilities(projection.logits(rows), chosen, sampling=sampling)

    parts = [*zip(hidden.split(CHUNK), tokens.split(CHUNK), strict=True)]
    if len(parts) == 1:
        return chunk(*parts[0])
    return torch.cat([checkpoint(chunk, *part, use_reentrant=False) for part in parts])


def log_probabilities_and_entropies(
    hidden: Tensor, projection: Projection, tokens: Tensor, *, sampling: Sampling
) -> tuple[Tensor, Tensor]:
    """Return the same, N, and the entropy in nats of the distribution that each token was drawn from, N, as a metric.

    Without a filter, both come from one pass over the vocabulary. Arguments as above.
    """
    if _in_one_pass(projection, sampling):
        losses, entropies = target_losses_and_entropies(hidden / sampling.temperature, projection, tokens)
        return -losses, entropies
    entropies = _entropies(hidden.detach(), projection, tokens, sampling=sampling)
    return sampled_log_probabilities(hidden, projection, tokens, sampling=sampling), entropies


def _in_one_pass(projection: Projection, sampling: Sampling) -> bool:
    """Whether the temperature may divide features in place of logits, and no filter looks at them."""
    return not sampling.filters and (projection.cap is None or sampling.temperature == 1)


@torch.no_grad()
def _entropies(hidden: Tensor, projection: Projection, tokens: Tensor, *, sampling: Sampling) -> Tensor:
    found = []
    for rows, chosen in zip(hidden.split(CHUNK), tokens.split(CHUNK), strict=True):
        log = kept_logits(projection.logits(rows), chosen, sampling=sampling).log_softmax(-1)
        found.append(-(log.exp() * log.masked_fill(log.isneginf(), 0)).sum(-1))
    return torch.cat(found)


def in_columns(values: Tensor, mask: Tensor) -> Tensor:
    """Return values of the masked tokens, N, as R T with 0 elsewhere; differentiable."""
    return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter(mask, values)

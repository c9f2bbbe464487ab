"""Log-likelihoods of given answers, in batches.

Legend: B rows  T tokens  D dim
"""

from collections.abc import Sequence

import torch
from torch import nn

from lm.objective.loss import target_losses


@torch.inference_mode()
def answer_nats(model: nn.Module, rows: Sequence[tuple[list[int], int]]) -> list[float]:
    """Return the negative log-likelihood of the end of each row, in nats.

    Args:
        model: A `Transformer`.
        rows: Pairs of token ids and the number of last tokens that are scored. Rows are padded on the right, where
            causal attention does not look.
    """
    longest = max(len(tokens) for tokens, _ in rows)
    padded = torch.zeros(len(rows), longest, dtype=torch.long)
    counted = torch.zeros(len(rows), longest - 1, dtype=torch.bool)
    for row, (tokens, count) in enumerate(rows):
        padded[row, : len(tokens)] = torch.tensor(tokens)
        counted[row, len(tokens) - 1 - count : len(tokens) - 1] = True
    hidden = model.hidden(padded[:, :-1])  # B T D
    losses = target_losses(hidden[counted], model.projection, padded[:, 1:][counted]).double()
    return [float(part.sum()) for part in losses.split([count for _, count in rows])]

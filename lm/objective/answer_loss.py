"""How likely a model holds given answers, many at once.

Legend: B rows  T tokens  D dim
"""

from collections.abc import Sequence

import torch
from torch import nn

from lm.objective.loss import target_losses


@torch.inference_mode()
def answer_nats(model: nn.Module, rows: Sequence[tuple[list[int], int]]) -> list[float]:
    """Of each row of tokens, the nats of its last so many; rows are padded on the right, where nobody looks."""
    longest = max(len(tokens) for tokens, _ in rows)
    padded = torch.zeros(len(rows), longest, dtype=torch.long)
    counted = torch.zeros(len(rows), longest - 1, dtype=torch.bool)
    for row, (tokens, count) in enumerate(rows):
        padded[row, : len(tokens)] = torch.tensor(tokens)
        counted[row, len(tokens) - 1 - count : len(tokens) - 1] = True
    hidden = model.hidden(padded[:, :-1])  # B T D
    losses = target_losses(hidden[counted], model.output_weight, padded[:, 1:][counted]).double()
    return [float(part.sum()) for part in losses.split([count for _, count in rows])]

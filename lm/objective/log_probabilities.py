"""Log-probabilities of whole answers: what preferences, references and policies compare.

Legend: B rows  T tokens a row  D documents a row
"""

import torch
from torch import Tensor, nn

from lm.batch import Batch
from lm.objective.loss import target_losses


def document_log_probabilities(
    model: nn.Module, batch: Batch, *, documents: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each document's supervised targets, summed, and how many there are; both B D.

    Sums are differentiable, in fp32 or fp64. A document without supervised targets, or that is not there, has 0 and 0.

    Args:
        model: A `Transformer`.
        batch: Packed rows.
        documents: D, more than the largest number of a document in the batch; None reads it off, which waits for a GPU.
    """
    if documents is None:
        documents = 1 if batch.documents is None else max(1, int(batch.documents.max()) + 1)
    hidden = model.hidden(batch.tokens, documents=batch.documents)  # B T D
    counted = batch.supervised
    losses = target_losses(hidden[counted], model.projection, batch.targets[counted])
    places = _places(batch, documents)
    rows = len(batch.tokens)
    empty = losses.new_zeros(rows * documents)
    sums, counts = (empty.index_add(0, places, each) for each in (-losses, torch.ones_like(losses)))
    return sums.view(rows, documents), counts.view(rows, documents)


def document_kinds(batch: Batch, *, documents: int) -> Tensor:
    """Return the kind of each document's supervised targets, int64 B D; 0 for a document without any."""
    kinds = batch.tokens.new_zeros(len(batch.tokens) * documents)
    if batch.kinds is not None:
        kinds[_places(batch, documents)] = batch.kinds[batch.supervised]
    return kinds.view(len(batch.tokens), documents)


def _places(batch: Batch, documents: int) -> Tensor:
    """Index of each supervised target's document among all B D."""
    numbers = torch.zeros_like(batch.tokens) if batch.documents is None else batch.documents
    rows = torch.arange(len(numbers), device=numbers.device)
    return (rows[:, None] * documents + numbers)[batch.supervised]

"""Which tokens attend to which in a packed row, computed once per forward pass for all layers.

Legend: B batch  T tokens  S tokens seen (T, and before them what a cache holds)
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lm.model.cache import Cache


@dataclass(frozen=True)
class Visibility:
    """Positions that restart at every document, and a mask that separates documents."""

    positions: Tensor  # B T, or 1 T if all rows are equal
    mask: Tensor | None  # B 1 T S or T S, True where a token attends; None: to all up to itself
    starts: Tensor | None = None  # B T, index in the row at which each token's document starts


def document_visibility(tokens: Tensor, documents: Tensor | None, cache: Cache | None) -> Visibility:
    """Let each token attend to the tokens of its document up to itself.

    Padding is a document like any other, so every token attends at least to itself, and softmax never meets a row of
    -inf.

    Args:
        tokens: Token ids, B T.
        documents: Id of the document of each token, B T; a change of id starts a new document, -1 is padding. None
            continues the document that each row is in.
        cache: Earlier tokens of the rows.
    """
    filled = 0 if cache is None else cache.filled
    count = tokens.shape[1]
    own = torch.arange(filled, filled + count, device=tokens.device)  # T, index in the row
    if documents is None and (cache is None or not cache.ragged):
        if filled == 0 or count == 1:
            return Visibility(own[None], None)  # selects the causal kernel
        return Visibility(own[None], torch.arange(filled + count, device=tokens.device) <= own[:, None])
    starts = _starts(own, documents, cache)
    seen = torch.arange(filled + count, device=tokens.device)  # S
    mask = (seen >= starts[..., None]) & (seen <= own[:, None])  # B T S
    return Visibility(own - starts, mask[:, None], starts)


def _starts(own: Tensor, documents: Tensor | None, cache: Cache | None) -> Tensor:
    """Return the index at which each token's document starts, B T."""
    if documents is None:
        return cache.starts[:, None].expand(-1, len(own))
    before = documents[:, :1] if cache is None or cache.filled == 0 else cache.documents[:, None]
    changes = documents != torch.cat((before, documents[:, :-1]), 1)  # B T
    starts = torch.where(changes, own, 0).cummax(1).values
    return starts if cache is None else torch.maximum(starts, cache.starts[:, None])

"""Who sees whom in a packed row, worked out once a forward and shared by every layer.

Legend: B batch  T tokens  S tokens seen (T, and before them what a cache holds)
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lm.model.cache import Cache


@dataclass(frozen=True)
class Visibility:
    """Positions that restart at every document, and a mask that keeps documents apart."""

    positions: Tensor  # B T, or 1 T when all rows agree
    mask: Tensor | None  # B 1 T S or T S, True where a token may look; None: everything up to itself
    starts: Tensor | None = None  # B T, index in the row at which each token's document begins


def see(tokens: Tensor, documents: Tensor | None, cache: Cache | None) -> Visibility:
    """A token sees its document's tokens up to itself. Documents are runs: a change of id starts a new one.

    Padding (-1) is a run like any other, so every token sees at least itself and no row of the mask is
    empty: softmax never meets a row of -inf. Without `documents` a row goes on with the one it is in.
    """
    filled = 0 if cache is None else cache.filled
    count = tokens.shape[1]
    own = torch.arange(filled, filled + count, device=tokens.device)  # T, indices in the row
    if documents is None and (cache is None or not cache.ragged):
        if filled == 0 or count == 1:
            return Visibility(own[None], None)  # lets attention take its causal path
        return Visibility(own[None], torch.arange(filled + count, device=tokens.device) <= own[:, None])
    starts = _starts(own, documents, cache)
    seen = torch.arange(filled + count, device=tokens.device)  # S
    mask = (seen >= starts[..., None]) & (seen <= own[:, None])  # B T S
    return Visibility(own - starts, mask[:, None], starts)


def _starts(own: Tensor, documents: Tensor | None, cache: Cache | None) -> Tensor:
    """The index at which each token's document begins (B T)."""
    if documents is None:
        return cache.starts[:, None].expand(-1, len(own))
    before = documents[:, :1] if cache is None or cache.filled == 0 else cache.documents[:, None]
    changes = documents != torch.cat((before, documents[:, :-1]), 1)  # B T
    starts = torch.where(changes, own, 0).cummax(1).values
    return starts if cache is None else torch.maximum(starts, cache.starts[:, None])

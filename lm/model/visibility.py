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
    places: Tensor | None = None  # B T or T, where each token stands in its row; None: at its position
    seen: Tensor | None = None  # B S or S, where the tokens stand that may be attended to; None: as `places`
    before: Tensor | None = None  # B R, the last tokens of the rows before these T; None: there are none, or R is 0
    room: int | None = None  # tokens that a row may come to have, if more than these T

    def within(self, window: int | None) -> Tensor | None:
        """Return the mask under which a token attends to the last `window` tokens, itself included; None: to all."""
        places = self.positions[0] if self.places is None else self.places
        seen = places if self.seen is None else self.seen
        all_within = not torch.compiler.is_exporting() and seen.shape[-1] <= (window or 0)  # exported: of any length
        if window is None or all_within:
            return self.mask
        distance = places.unsqueeze(-1) - seen.unsqueeze(-2)  # B T S or T S
        near = distance < window
        if self.mask is None:
            return near & (distance >= 0)
        return self.mask & (near.unsqueeze(1) if near.ndim == 3 else near)

    def lengths(self) -> Tensor:
        """Return the length of the document that each token is in, B T or 1 1; with a cache, what it has room for."""
        if self.starts is None:
            return self.positions.new_full((1, 1), self.positions.shape[-1] if self.room is None else self.room)
        return document_lengths(self.starts) if self.room is None else self.room - self.starts


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
    filled, room = (0, None) if cache is None else (cache.filled, cache.length)
    before = cache.recent if filled else None
    count = tokens.shape[1]
    own = torch.arange(filled, filled + count, device=tokens.device)  # T, index in the row
    seen = torch.arange(filled + count, device=tokens.device) if filled else own  # S
    if documents is None and (cache is None or not cache.ragged):
        mask = None if filled == 0 or count == 1 else seen <= own[:, None]  # None selects the causal kernel
        return Visibility(own[None], mask, places=own, seen=seen, before=before, room=room)
    starts = _starts(own, documents, cache)
    mask = (seen >= starts[..., None]) & (seen <= own[:, None])  # B T S
    return Visibility(own - starts, mask[:, None], starts, places=own, seen=seen, before=before, room=room)


def last_tokens(rows: Tensor, lengths: Tensor, reach: int) -> Tensor:
    """Return the last `reach` of the first `lengths` tokens of each row, B R; before a row's first, any token.

    Args:
        rows: Token ids, B S.
        lengths: How many of each row count, B.
        reach: R.
    """
    back = torch.arange(-reach, 0, device=rows.device)
    return rows.gather(1, (lengths[:, None] + back).clamp_min(0))


def document_lengths(starts: Tensor) -> Tensor:
    """Return the tokens of the document that each token is in, from the index at which it starts: B T → B T."""
    return torch.zeros_like(starts).scatter_add(1, starts, torch.ones_like(starts)).gather(1, starts)


def _starts(own: Tensor, documents: Tensor | None, cache: Cache | None) -> Tensor:
    """Return the index at which each token's document starts, B T."""
    if documents is None:
        return cache.starts[:, None].expand(-1, len(own))
    before = documents[:, :1] if cache is None or cache.filled == 0 else cache.documents[:, None]
    changes = documents != torch.cat((before, documents[:, :-1]), 1)  # B T
    starts = torch.where(changes, own, 0).cummax(1).values
    return starts if cache is None else torch.maximum(starts, cache.starts[:, None])

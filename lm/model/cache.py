"""What a model remembers of the tokens it has read, so that the next one costs one token.

Legend: B batch  T tokens  K key/value heads  E head dim
"""

import torch
from torch import Tensor


class Cache:
    """Keys and values of every layer, and where each row's current document begins.

    Allocated whole, written in place: for inference, not for gradients. Only the document a row is in can
    ever be looked at again, so its start and its id are all that is remembered of documents.
    """

    def __init__(
        self,
        batch: int,
        *,
        length: int,
        layers: int,
        key_value_heads: int,
        head_dim: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (layers, batch, key_value_heads, length, head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.starts = torch.zeros(batch, dtype=torch.int64, device=device)  # B: where the document begins
        self.documents = torch.zeros(batch, dtype=torch.int64, device=device)  # B: the id it has
        self.ragged = False  # whether documents were ever given, so that starts may differ from 0
        self.filled = 0

    @property
    def length(self) -> int:
        """How many tokens fit."""
        return self.keys.shape[3]

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store B K T E behind what is there; return all of it. `advance` makes it count."""
        end = self.filled + keys.shape[2]
        self.keys[layer, :, :, self.filled : end] = keys
        self.values[layer, :, :, self.filled : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, tokens: int, *, starts: Tensor | None = None, documents: Tensor | None = None) -> None:
        """Count `tokens` as read, once every layer has written them."""
        self.filled += tokens
        if starts is not None and documents is not None:
            self.starts, self.documents, self.ragged = starts, documents, True

    def select(self, rows: list[int]) -> None:
        """Keep only these rows: the others have nothing left to say."""
        index = torch.tensor(rows, dtype=torch.int64, device=self.keys.device)
        self.keys, self.values = self.keys[:, index], self.values[:, index]
        self.starts, self.documents = self.starts[index], self.documents[index]

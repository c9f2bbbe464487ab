"""Key/value cache: a model reads each token once, so that the next token costs one token.

Legend: B batch  T tokens  K key/value heads  E head dim
"""

import torch
from torch import Tensor


class Cache:
    """Keys and values of every layer, and the start of each row's current document.

    Allocated at full length and written in place: for inference, not for gradients. Later tokens attend to the current
    document of their row only, so its start and its id are all that is stored of documents.

    Args:
        batch: Rows.
        length: Tokens that fit in a row.
        layers: Blocks of the model.
        key_value_heads: Key/value heads of a block.
        head_dim: Features of a head.
        reach: Last tokens that are kept themselves, for embeddings of n-grams.
        dtype: Type of keys and values.
        device: Where they are stored.
    """

    def __init__(
        self,
        batch: int,
        *,
        length: int,
        layers: int,
        key_value_heads: int,
        head_dim: int,
        reach: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (layers, batch, key_value_heads, length, head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.starts = torch.zeros(batch, dtype=torch.int64, device=device)  # B: index at which the document starts
        self.documents = torch.zeros(batch, dtype=torch.int64, device=device)  # B: its id
        self.recent = torch.zeros((batch, reach), dtype=torch.int64, device=device)  # B R: the last tokens read
        self.ragged = False  # whether documents were given, so that starts may differ from 0
        self.filled = 0

    @property
    def length(self) -> int:
        """Tokens that fit in a row."""
        return self.keys.shape[3]

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values (B K T E) of a layer; return all (B K S E). `advance` then counts the tokens."""
        end = self.filled + keys.shape[2]
        self.keys[layer, :, :, self.filled : end] = keys
        self.values[layer, :, :, self.filled : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def keep(self, tokens: Tensor) -> None:
        """Keep the last of these tokens (B T) as those before the next."""
        if reach := self.recent.shape[1]:
            self.recent = torch.cat((self.recent, tokens), 1)[:, -reach:]

    def advance(self, tokens: int, *, starts: Tensor | None = None, documents: Tensor | None = None) -> None:
        """Count `tokens` as read, after every layer has written them."""
        self.filled += tokens
        if starts is not None and documents is not None:
            self.starts, self.documents, self.ragged = starts, documents, True

    def select(self, rows: list[int]) -> None:
        """Keep these rows, in this order, one as often as it is named."""
        index = torch.tensor(rows, dtype=torch.int64, device=self.keys.device)
        self.keys, self.values = self.keys[:, index], self.values[:, index]
        self.starts, self.documents, self.recent = self.starts[index], self.documents[index], self.recent[index]

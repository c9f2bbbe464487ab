"""Keys and values of several texts side by side, each with a length of its own.

Legend: L layers  N slots  B rows  K key/value heads  T tokens  S tokens attended to  E head dim
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from lm.model import Attention, Transformer
from lm.model.visibility import last_tokens
from lm.serve.sight import BLOCK, Group, Sight, grouped, multiple


class Slots:
    """A cache whose rows fill apart from one another; it grows to the longest text that is asked for.

    Args:
        model: The model.
        count: Texts at once.
        rows: Rows are padded to a multiple of this number; see `rows_of_equal_bits`.
    """

    def __init__(self, model: Transformer, count: int, *, rows: int) -> None:
        self.model, self.rows = model, rows
        self.device = model.embedding.weight.device
        self.windows = [block.attention.window for block in model.blocks]
        self.apart = all(isinstance(block.attention, Attention) for block in model.blocks)  # others may know no groups
        empty = model.new_cache(multiple(count, self.rows), BLOCK)
        self.keys, self.values = empty.keys, empty.values  # L N K S E each
        self.tokens = torch.zeros((self.keys.shape[1], BLOCK), dtype=torch.int64, device=self.device)  # N S

    @property
    def length(self) -> int:
        """Tokens that fit in a slot."""
        return self.keys.shape[3]

    def reserve(self, length: int) -> None:
        """Make room for texts of `length` tokens: twice as much as before at least, since all is copied."""
        if length > self.length:
            room = multiple(max(length, min(2 * self.length, self.model.context)), BLOCK)
            self.tokens = F.pad(self.tokens, (0, room - self.length))
            self.keys, self.values = (_grown(each, room) for each in (self.keys, self.values))

    def read(self, slot: int, tokens: list[int], *, start: int, room: int) -> Tensor:
        """Read the next tokens of one slot, which has `start`; return their features, T D."""
        count = len(tokens)
        padded = [*tokens, *[0] * (-count % self.rows)]
        own = torch.arange(start, start + len(padded), device=self.device)[None]
        end = start + count
        group = Group(slice(0, 1), start, end)
        read = torch.tensor([padded], device=self.device)
        self.tokens[slot, start:end] = read[0, :count]
        before = last_tokens(self.tokens[slot, None], own[:, 0], self.model.reach)
        sight = Sight(own, None, before=before, rooms=torch.tensor([[room]], device=self.device), groups=(group,))

        def write(layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            span = group.span(self.windows[layer])
            for cache, new in ((self.keys, keys), (self.values, values)):
                cache[layer, slot, :, start:end] = new[0, :, :count]
            return self.keys[layer, slot, None, :, span], self.values[layer, slot, None, :, span]

        return self.model.features(read, sight, write=write)[0, :count]

    def extend(self, tokens: list[int], *, filled: list[int], rooms: list[int]) -> Tensor:
        """Read one token more in each of the first slots; return their features, B D.

        Args:
            tokens: The token of each slot, from slot 0 on.
            filled: How many tokens each of them has.
            rooms: How many each may come to have.
        """
        count = len(tokens)
        more = -count % self.rows  # rows to fill up, which repeat the last one
        places = torch.tensor(filled + filled[-1:] * more, device=self.device)
        own, written = torch.arange(count, device=self.device), places[:count]
        rooms_of_all = torch.tensor(rooms + rooms[-1:] * more, device=self.device)[:, None]
        groups = (
            grouped(filled, rows=len(places))
            if self.apart
            else (Group(slice(0, len(places)), min(filled), max(filled) + 1),)
        )
        tokens_of_all = torch.tensor(tokens + tokens[-1:] * more, device=self.device)[:, None]
        self.tokens[own, written] = tokens_of_all[:count, 0]
        before = last_tokens(self.tokens[: len(places)], places, self.model.reach)
        sight = Sight(places[:, None], None, before=before, rooms=rooms_of_all, groups=groups)

        def write(
            layer: int, keys: Tensor, values: Tensor
        ) -> tuple[Tensor, Tensor] | tuple[list[Tensor], list[Tensor]]:
            caches = self.keys[layer], self.values[layer]
            for cache, new in zip(caches, (keys, values), strict=True):
                cache[own, :, written] = new[:count, :, 0]
            parts = [(group.rows, slice(None), group.span(self.windows[layer])) for group in groups]
            read = tuple([cache[part] for part in parts] for cache in caches)
            return read if len(parts) > 1 else (read[0][0], read[1][0])

        return self.model.features(tokens_of_all, sight, write=write)[:count, 0]

    def swap(self, first: int, second: int, *, tokens: int) -> None:
        """Exchange what two slots hold, up to `tokens`."""
        if first != second:
            for each in (self.keys, self.values):
                each[:, [first, second], :, :tokens] = each[:, [second, first], :, :tokens]
            self.tokens[[first, second]] = self.tokens[[second, first]]

    def copy(self, source: int, target: int, *, tokens: int) -> None:
        """Copy the first `tokens` of a slot to another."""
        if source != target:
            for each in (self.keys, self.values):
                each[:, target, :, :tokens] = each[:, source, :, :tokens]
            self.tokens[target] = self.tokens[source]


def _grown(cache: Tensor, length: int) -> Tensor:
    grown = cache.new_zeros((*cache.shape[:3], length, cache.shape[4]))
    grown[:, :, :, : cache.shape[3]] = cache
    return grown

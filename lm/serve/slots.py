"""Keys and values of several texts side by side, each with a length of its own.

Legend: L layers  N slots  B rows  K key/value heads  T tokens  S tokens attended to  E head dim
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lm.model import Transformer
from lm.model.visibility import Visibility

BLOCK = 32  # keys attended to are a multiple of it, so that the same sums come out beside any neighbour


@dataclass(frozen=True)
class Rooms(Visibility):
    """What rows of different lengths see, each with its own room, by which rotary angles may differ."""

    rooms: Tensor | None = None  # B 1

    def lengths(self) -> Tensor:
        """Return the room of each row, B 1."""
        return self.rooms


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
        empty = model.new_cache(_multiple(count, self.rows), BLOCK)
        self.keys, self.values = empty.keys, empty.values  # L N K S E each

    @property
    def length(self) -> int:
        """Tokens that fit in a slot."""
        return self.keys.shape[3]

    def reserve(self, length: int) -> None:
        """Make room for texts of `length` tokens."""
        if length > self.length:
            self.keys, self.values = (_grown(each, _multiple(length, BLOCK)) for each in (self.keys, self.values))

    def read(self, slot: int, tokens: list[int], *, start: int, room: int) -> Tensor:
        """Read the next tokens of one slot, which has `start`; return their features, T D."""
        count = len(tokens)
        padded = [*tokens, *[0] * (-count % self.rows)]
        own = torch.arange(start, start + len(padded), device=self.device)
        end = start + count
        visibility = self._visibility(own[None], end=end, rooms=[room])

        def write(layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            self.keys[layer, slot, :, start:end] = keys[0, :, :count]
            self.values[layer, slot, :, start:end] = values[0, :, :count]
            seen = _multiple(end, BLOCK)
            return self.keys[layer, slot, None, :, :seen], self.values[layer, slot, None, :, :seen]

        read = torch.tensor([padded], device=self.device)
        return self.model.features(read, visibility, write=write)[0, :count]

    def extend(self, tokens: list[int], *, filled: list[int], rooms: list[int]) -> Tensor:
        """Read one token more in each of the first slots; return their features, B D.

        Args:
            tokens: The token of each slot, from slot 0 on.
            filled: How many tokens each of them has.
            rooms: How many each may come to have.
        """
        rows = len(tokens)
        more = [0] * (-rows % self.rows)
        places = torch.tensor([*filled, *more], device=self.device)
        own, written = torch.arange(rows, device=self.device), places[:rows]
        end = max(filled) + 1
        seen = _multiple(end, BLOCK)
        visibility = self._visibility(places[:, None], end=end, rooms=[*rooms, *(1 for _ in more)])

        def write(layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            self.keys[layer][own, :, written] = keys[:rows, :, 0]
            self.values[layer][own, :, written] = values[:rows, :, 0]
            return self.keys[layer, : len(places), :, :seen], self.values[layer, : len(places), :, :seen]

        read = torch.tensor([*tokens, *more], device=self.device)[:, None]
        return self.model.features(read, visibility, write=write)[:rows, 0]

    def swap(self, first: int, second: int, *, tokens: int) -> None:
        """Exchange what two slots hold, up to `tokens`."""
        if first != second:
            for each in (self.keys, self.values):
                each[:, [first, second], :, :tokens] = each[:, [second, first], :, :tokens]

    def copy(self, source: int, target: int, *, tokens: int) -> None:
        """Copy the first `tokens` of a slot to another."""
        if source != target:
            for each in (self.keys, self.values):
                each[:, target, :, :tokens] = each[:, source, :, :tokens]

    def _visibility(self, places: Tensor, *, end: int, rooms: list[int]) -> Rooms:
        """Let each token see those of its slot up to itself: places B T."""
        seen = torch.arange(_multiple(end, BLOCK), device=self.device)
        mask = (seen <= places[..., None])[:, None]  # B 1 T S
        rooms = torch.tensor(rooms, device=self.device)[:, None]
        return Rooms(places, mask, places=places, seen=seen, rooms=rooms)


def _multiple(number: int, of: int) -> int:
    """Return the first multiple that is not below `number`."""
    return -(-number // of) * of


def _grown(cache: Tensor, length: int) -> Tensor:
    grown = cache.new_zeros((*cache.shape[:3], length, cache.shape[4]))
    grown[:, :, :, : cache.shape[3]] = cache
    return grown

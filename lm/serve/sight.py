"""What rows of different lengths see, each in a slot of its own.

Legend: B rows  T tokens  S tokens attended to
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lm.model.visibility import Visibility

BLOCK = 32  # spans of keys begin and end at multiples of it, so that the same sums come out beside any neighbour
APART = 256  # keys that rows of a group may read in vain: about the time of another call of the attention


class Group(NamedTuple):
    """Neighbouring rows that attend together."""

    rows: slice
    first: int  # the earliest place that is read now
    end: int  # tokens that the longest of them has

    def span(self, window: int | None) -> slice:
        """Return the keys that the rows read: those of the window, or all."""
        start = 0 if window is None else max(0, self.first - window + 1) // BLOCK * BLOCK
        return slice(start, multiple(self.end, BLOCK))


@dataclass(frozen=True)
class Sight(Visibility):
    """Let each token see those of its slot up to itself."""

    rooms: Tensor | None = None  # B 1, what each row may come to have, by which rotary angles may differ
    groups: tuple[Group, ...] = ()

    def within(self, window: int | None) -> Tensor | list[Tensor]:
        """Return the mask of a window, or of each group of rows; None: no window."""
        masks = [self._mask(group, window) for group in self.groups]
        return masks[0] if len(masks) == 1 else masks

    def lengths(self) -> Tensor:
        """Return the room of each row, B 1."""
        return self.rooms

    def _mask(self, group: Group, window: int | None) -> Tensor:  # B 1 T S
        span, places = group.span(window), self.positions[group.rows, :, None]
        seen = torch.arange(span.start, span.stop, device=places.device)
        mask = seen <= places
        if window is not None:
            mask &= seen > places - window
        return mask[:, None]


def grouped(filled: Sequence[int], *, rows: int) -> tuple[Group, ...]:
    """Divide rows into groups, so that few keys are read in vain.

    Args:
        filled: Tokens of each row before the one that is read now.
        rows: Rows with those that are there to fill up, which belong to the last group.
    """
    groups: list[Group] = []
    start, longest, read = 0, 0, 0
    for row, length in enumerate(filled):
        keys = multiple(length + 1, BLOCK)
        together = max(longest, keys) * (row + 1 - start)
        if row > start and together > read + keys + APART:
            groups.append(_group(filled, start, row))
            start, longest, together = row, 0, keys
        longest, read = max(longest, keys), together
    last = _group(filled, start, len(filled))
    return (*groups, last._replace(rows=slice(start, rows)))


def _group(filled: Sequence[int], start: int, end: int) -> Group:
    lengths = filled[start:end]
    return Group(slice(start, end), min(lengths), max(lengths) + 1)


def multiple(number: int, of: int) -> int:
    """Return the first multiple that is not below `number`."""
    return -(-number // of) * of

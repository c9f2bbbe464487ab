"""How another library lays out a weight: operations that are exact and can be undone.

A tensor of theirs holds one or several of our weights. `split` takes it apart and `join` puts it together.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Shape = Sequence[int]


class Layout(ABC):
    """What a tensor of theirs is, given weights of ours."""

    @abstractmethod
    def split(self, tensor: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
        """Return our weights, which have these shapes; views where that is possible."""

    @abstractmethod
    def join(self, weights: Sequence[Tensor]) -> Tensor:
        """Return their tensor."""


@dataclass(frozen=True)
class Same(Layout):
    """The weight as it is."""

    def split(self, tensor: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
        return [tensor]

    def join(self, weights: Sequence[Tensor]) -> Tensor:
        (weight,) = weights
        return weight


SAME = Same()


@dataclass(frozen=True)
class Rows(Layout):
    """Several weights, one below the other: queries, keys and values, or gate and up, in one matrix."""

    def split(self, tensor: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
        return list(tensor.split([shape[0] for shape in shapes]))

    def join(self, weights: Sequence[Tensor]) -> Tensor:
        return torch.cat([*weights])


@dataclass(frozen=True)
class Stacked(Layout):
    """Weights of experts in one tensor, E rows inputs; an expert's several weights are one below the other.

    Args:
        experts: E.
    """

    experts: int

    def split(self, tensor: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
        return list(tensor.flatten(0, 1).split([shape[0] for shape in shapes]))

    def join(self, weights: Sequence[Tensor]) -> Tensor:
        return torch.cat([*weights]).unflatten(0, (self.experts, -1))


@dataclass(frozen=True)
class Transposed(Layout):
    """Another layout with inputs as rows, as in GPT-2, whose matrices are written for `inputs @ weight`.

    Args:
        of: The layout that is transposed; biases are not.
    """

    of: Layout = SAME

    def split(self, tensor: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
        return [part.contiguous() for part in self.of.split(_turned(tensor), shapes)]

    def join(self, weights: Sequence[Tensor]) -> Tensor:
        return _turned(self.of.join(weights)).contiguous()


@dataclass(frozen=True)
class Interleaved(Layout):
    """The rows of several weights head by head: query, key and value of the first head, then of the second.

    Args:
        head_dim: Features of a head.
    """

    head_dim: int

    def split(self, tensor: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
        by_head = tensor.reshape(-1, len(shapes), self.head_dim, *tensor.shape[1:])
        return [by_head[:, number].reshape(*shape) for number, shape in enumerate(shapes)]

    def join(self, weights: Sequence[Tensor]) -> Tensor:
        by_head = [weight.reshape(-1, self.head_dim, *weight.shape[1:]) for weight in weights]
        return torch.stack(by_head, 1).reshape(-1, *weights[0].shape[1:])


def _turned(tensor: Tensor) -> Tensor:
    return tensor.t() if tensor.dim() == 2 else tensor

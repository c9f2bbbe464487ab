"""Tuning a model by small matrices beside its own, which stay as they are; merged, they cost nothing.

Legend: I inputs  O outputs  R rank
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lm.bounds import BelowOne, Count, Positive
from lm.model.freeze import thaw
from lm.model.names import endings, named
from lm.model.quantised import Quantised


class LowRank(nn.Module):
    """A change of a matrix by a product of two thin ones, 0 at first: `up` @ `down` × `scale`."""

    def __init__(self, base: nn.Linear | Quantised, *, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        like = base.weight
        self.down = nn.Parameter(like.new_empty(rank, base.in_features))  # R I
        self.up = nn.Parameter(like.new_zeros(base.out_features, rank))  # O R
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as nn.Linear begins, and the paper's own code

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        return F.linear(F.linear(self.dropout(inputs), self.down) * self.scale, self.up)

    def matrix(self) -> Tensor:
        """O I."""
        return self.up @ self.down * self.scale


class Adapted(nn.Module, ABC):
    """A linear layer with its adapter."""

    def __init__(self, base: nn.Linear | Quantised, change: LowRank) -> None:
        super().__init__()
        self.base, self.change = base, change

    @abstractmethod
    def weight(self) -> Tensor:
        """O I, the one matrix that would do the same without dropout."""


class LoRA(Adapted):
    """The layer and a change of low rank (Hu et al. 2021, arXiv:2106.09685)."""

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        return self.base(inputs) + self.change(inputs)

    def weight(self) -> Tensor:
        return self.base.weight + self.change.matrix()


class DoRA(Adapted):
    """Direction and length of each output's weights apart: the first changed by low rank, the second learned.

    Liu et al. 2024, arXiv:2402.09353. Gradients take the length that is divided by for a constant (its section 4.3),
    which saves memory and costs nothing of the result.
    """

    def __init__(self, base: nn.Linear | Quantised, change: LowRank) -> None:
        super().__init__(base, change)
        self.magnitude = nn.Parameter(_lengths(base.weight.detach()))  # O

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        outputs, bias = self.base(inputs), self.base.bias
        shift = 0.0 if bias is None else bias
        # Not in bf16, in which a stretch of 1.003 would be 1.
        return ((outputs - shift + self.change(inputs)) * self._stretch() + shift).to(outputs.dtype)

    def weight(self) -> Tensor:
        return (self.base.weight + self.change.matrix()) * self._stretch()[:, None]

    def _stretch(self) -> Tensor:
        """O."""
        with torch.no_grad(), torch.autocast(self.magnitude.device.type, enabled=False):
            lengths = _lengths(self.base.weight + self.change.matrix())
        return self.magnitude / lengths


def lora(
    model: nn.Module,
    *,
    rank: Count,
    alpha: Positive,
    targets: Sequence[str],
    dropout: BelowOne = 0.0,
    rank_stabilised: bool = False,
    whole: Sequence[str] = (),
) -> None:
    """Freeze the model and train changes of low rank beside the `targets` among the layers of its blocks.

    A change counts alpha / rank, or with `rank_stabilised` alpha / √rank (Kalajdzievski 2023, arXiv:2312.03732), which
    lets a high rank learn as fast as a low one. Layers are named from any part on (`query`, `attention.*`,
    `blocks.3.*`). `whole` names weights that are trained themselves, as `*norm.weight`, or `embedding`, without which
    tokens that the model never read, such as those of roles, stay what they were at random.
    """
    scale = alpha / (math.sqrt(rank) if rank_stabilised else rank)
    _adapt(model, LoRA, rank=rank, scale=scale, dropout=dropout, targets=targets, whole=whole)


def dora(
    model: nn.Module,
    *,
    rank: Count,
    alpha: Positive,
    targets: Sequence[str],
    dropout: BelowOne = 0.0,
    rank_stabilised: bool = False,
    whole: Sequence[str] = (),
) -> None:
    """As `lora`, with the lengths of the weights learned apart: nearer to full tuning, for a few more operations."""
    scale = alpha / (math.sqrt(rank) if rank_stabilised else rank)
    _adapt(model, DoRA, rank=rank, scale=scale, dropout=dropout, targets=targets, whole=whole)


def _adapt(
    model: nn.Module,
    kind: Callable[[nn.Module, LowRank], Adapted],
    *,
    rank: int,
    scale: float,
    dropout: float,
    targets: Sequence[str],
    whole: Sequence[str],
) -> None:
    layers = {
        f"blocks.{name}": layer
        for name, layer in model.blocks.named_modules()
        if isinstance(layer, nn.Linear | Quantised)
    }
    if not targets:
        raise ValueError("model.adapter.targets names no layer: try ['attention.*', 'feedforward.*']")
    thaw(model, whole, key="model.adapter.whole")
    for name in named(targets, layers, key="model.adapter.targets", forms=endings):
        change = LowRank(layers[name], rank=rank, scale=scale, dropout=dropout)
        model.set_submodule(name, kind(layers[name], change))


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Make adapted and quantised layers plain ones that do the same, every weight to be trained again."""
    for name, layer in [*model.named_modules()]:
        if isinstance(layer, Adapted):
            model.set_submodule(name, _plain(layer.weight(), layer.base.bias))
    for name, layer in [*model.named_modules()]:
        if isinstance(layer, Quantised):
            model.set_submodule(name, _plain(layer.weight, layer.bias))
    model.requires_grad_(True)


def _plain(weight: Tensor, bias: nn.Parameter | None) -> nn.Linear:
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = bias
    return layer


def _lengths(weight: Tensor) -> Tensor:
    """O, never 0: what is divided by it is then 0 itself."""
    return torch.linalg.vector_norm(weight, dim=1).clamp_min(torch.finfo(weight.dtype).tiny)

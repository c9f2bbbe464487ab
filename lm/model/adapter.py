"""Adapters: small matrices that train beside the frozen ones of a model; merged, they cost nothing.

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
from lm.model.names import match_names, suffixes
from lm.model.quantised import Quantised


class LowRank(nn.Module):
    """A low-rank change of a matrix, 0 at the start: `up` @ `down` × `scale`."""

    def __init__(self, base: nn.Linear | Quantised, *, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        like = base.weight
        self.down = nn.Parameter(like.new_empty(rank, base.in_features))  # R I
        self.up = nn.Parameter(like.new_zeros(base.out_features, rank))  # O R
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as in nn.Linear, and in the paper's own code

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        return F.linear(F.linear(self.dropout(inputs), self.down) * self.scale, self.up)

    def matrix(self) -> Tensor:
        """Return the change as one matrix, O I."""
        return self.up @ self.down * self.scale


class Adapted(nn.Module, ABC):
    """A linear layer with its adapter."""

    def __init__(self, base: nn.Linear | Quantised, change: LowRank) -> None:
        super().__init__()
        self.base, self.change = base, change

    @abstractmethod
    def weight(self) -> Tensor:
        """Return the matrix (O I) that computes the same without dropout."""


class LoRA(Adapted):
    """A linear layer plus a low-rank change (Hu et al. 2021, arXiv:2106.09685)."""

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        return self.base(inputs) + self.change(inputs)

    def weight(self) -> Tensor:
        return self.base.weight + self.change.matrix()


class DoRA(Adapted):
    """A linear layer with separate direction and magnitude per output: a low-rank change, and a learned length.

    Liu et al. 2024, arXiv:2402.09353. Gradients treat the norm in the denominator as constant (its section 4.3), which
    saves memory at no loss.
    """

    def __init__(self, base: nn.Linear | Quantised, change: LowRank) -> None:
        super().__init__(base, change)
        self.magnitude = nn.Parameter(_lengths(base.weight.detach()))  # O

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        outputs, bias = self.base(inputs), self.base.bias
        shift = 0.0 if bias is None else bias
        # Not in bf16, which rounds a factor of 1.003 to 1.
        return ((outputs - shift + self.change(inputs)) * self._factor() + shift).to(outputs.dtype)

    def weight(self) -> Tensor:
        return (self.base.weight + self.change.matrix()) * self._factor()[:, None]

    def _factor(self) -> Tensor:
        """Return the factor of each output, O."""
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
    """Freeze the model and train low-rank changes of some layers of its blocks (LoRA).

    Args:
        model: The model, changed in place.
        rank: Rank of the changes; more learns more, at rank × (inputs + outputs) weights per layer.
        alpha: Scale of the changes: they are multiplied by alpha / rank. Twice the rank is usual.
        targets: Layers to change, named from any part on: `query`, `attention.*`, `blocks.3.*`.
        dropout: Probability of dropping an input of a change, in training.
        rank_stabilised: Multiply by alpha / √rank instead (Kalajdzievski 2023, arXiv:2312.03732), so that a high rank
            learns as fast as a low one.
        whole: Weights that train themselves, as `*norm.weight`, or `embedding`, without which tokens that the model
            never read, such as turn tokens, keep their random embeddings.

    Raises:
        ValueError: A pattern names nothing, or `whole` names quantised weights.
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
    """Freeze the model and train directions by low-rank changes, and the magnitudes of weights separately (DoRA).

    Nearer to full fine-tuning than `lora`, for a few more operations.

    Args:
        model: The model, changed in place.
        rank: Rank of the changes; more learns more, at rank × (inputs + outputs) weights per layer.
        alpha: Scale of the changes: they are multiplied by alpha / rank. Twice the rank is usual.
        targets: Layers to change, named from any part on: `query`, `attention.*`, `blocks.3.*`.
        dropout: Probability of dropping an input of a change, in training.
        rank_stabilised: Multiply by alpha / √rank instead (Kalajdzievski 2023, arXiv:2312.03732), so that a high rank
            learns as fast as a low one.
        whole: Weights that train themselves, as `*norm.weight`, or `embedding`, without which tokens that the model
            never read, such as turn tokens, keep their random embeddings.

    Raises:
        ValueError: A pattern names nothing, or `whole` names quantised weights.
    """
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
    for name in match_names(targets, layers, key="model.adapter.targets", forms=suffixes):
        change = LowRank(layers[name], rank=rank, scale=scale, dropout=dropout)
        model.set_submodule(name, kind(layers[name], change))


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Replace adapted and quantised layers by equivalent plain ones, in place; all weights train again."""
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
    """Return the norm of each output's weights, O; never 0, so that zero weights can be divided by it."""
    return torch.linalg.vector_norm(weight, dim=1).clamp_min(torch.finfo(weight.dtype).tiny)

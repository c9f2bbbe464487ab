"""Matrices in the layout of oneDNN's kernels, for products of a few rows on a CPU.

torch's own product packs a matrix in every call, which for 1 to 64 rows takes as long as the product. Packed once,
16 rows take 0.57 of the time and 4 rows 0.48 (fp32, 384 wide, one core of an AMD EPYC), and a row's result is bit for
bit the same beside any number of others.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lm.model import Transformer
from lm.model.adapter import Adapted
from lm.model.capped import soft_cap

ROWS = 16  # the number of rows that the layout is chosen for; others have the same results


class PackedLinear(nn.Module):
    """A linear layer that holds its matrix packed, without gradients.

    Args:
        weight: The matrix, O I; it is copied.
        bias: The bias, O.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), ROWS)
        self._bias = None if bias is None else bias.detach()

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        return torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self._bias, "none", [], "")


def packed(model: Transformer) -> tuple[Transformer, Callable[[Tensor], Tensor]]:
    """Return the model to compute with, and its projection to logits: … D → … V.

    Where the machine or the type of the weights has no such kernels it is the model itself. Otherwise the matrices
    exist twice as long as the caller holds the given model, and all other weights are shared.
    """
    if not _can_pack(model.embedding.weight):
        return model, lambda features: model.projection.logits(features)
    shared = {id(each): each for each in (*model.parameters(), *model.buffers())}
    faster = copy.deepcopy(model, shared)
    parts = dict(faster.blocks.named_modules())
    for name, layer in parts.items():
        whole = parts.get(name.rpartition(".")[0])
        if isinstance(layer, Adapted) and type(layer.base) is nn.Linear:
            faster.blocks.set_submodule(name, PackedLinear(layer.weight(), layer.base.bias))
        elif type(layer) is nn.Linear and _calls_its_layers(whole):
            faster.blocks.set_submodule(name, PackedLinear(layer.weight, layer.bias))
    project, cap = PackedLinear(model.projection.weight, None), model.projection.cap
    return faster, project if cap is None else lambda features: soft_cap(project(features), cap)


def _calls_its_layers(part: nn.Module) -> bool:
    """Whether a part only calls its linear layers; one of a package of the user's may read their weights."""
    return type(part).__module__.startswith("lm.model.") and not isinstance(part, Adapted)


def _can_pack(weight: Tensor) -> bool:
    """Try it on a small matrix of the same type."""
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return False
    try:
        matrix = torch.eye(32, dtype=weight.dtype)
        return bool((PackedLinear(matrix, None)(matrix) == matrix).all())
    except (RuntimeError, AttributeError, NotImplementedError):  # a build without oneDNN, or a machine without bf16
        return False

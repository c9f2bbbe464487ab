"""Quantised layers: matrices of a frozen model in 8 or 4 bits, under a trained adapter (QLoRA).

torchao and bitsandbytes use tensor classes for this, which a checkpoint of plain data cannot hold; here a quantised
matrix is plain tensors, on any device. It is decoded for each use, forward and backward, and the result is not stored;
the extra work is small beside a product with many tokens.

Legend: I inputs  O outputs
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 64  # weights that share a scale in NF4
GROUP = 256  # scales that share one of their own


class Quantised(nn.Module, ABC):
    """A frozen linear layer whose matrix is stored in fewer bits and decoded for each use."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        with torch.no_grad():
            stored = self.encode(linear.weight)
        # Parameters rather than buffers, which DDP would broadcast before every forward pass.
        self.stored = nn.ParameterList(nn.Parameter(part, requires_grad=False) for part in stored)
        self.bias = linear.bias
        if self.bias is not None:
            self.bias.requires_grad = False

    @staticmethod
    @abstractmethod
    def encode(weight: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors to store of a matrix (O I)."""

    @staticmethod
    @abstractmethod
    def decode(stored: tuple[Tensor, ...], shape: tuple[int, int]) -> Tensor:
        """Return the matrix (O I) that the stored tensors represent."""

    @property
    def weight(self) -> Tensor:
        """The decoded matrix, O I."""
        return self.decode(tuple(self.stored), (self.out_features, self.in_features))

    def forward(self, inputs: Tensor) -> Tensor:  # … I → … O
        shape = (self.out_features, self.in_features)
        outputs = _Product.apply(inputs, tuple(self.stored), self.decode, shape)
        return outputs if self.bias is None else outputs + self.bias.to(outputs.dtype)


class Int8(Quantised):
    """Each row as integers up to ±127 and a scale: 8 bits per weight, error up to 0.4 % of the row's largest."""

    @staticmethod
    def encode(weight: Tensor) -> tuple[Tensor, ...]:
        scales = _nonzero(weight.abs().amax(1, keepdim=True)) / 127
        return (weight / scales).round().to(torch.int8), scales

    @staticmethod
    def decode(stored: tuple[Tensor, ...], shape: tuple[int, int]) -> Tensor:
        values, scales = stored
        return values.to(scales.dtype) * scales


class NF4(Quantised):
    """NormalFloat, 4.13 bits per weight (Dettmers et al. 2023, arXiv:2305.14314).

    Each weight, divided by the largest of its block of 64, is one of 16 quantiles of a normal distribution. The largest
    values are quantised in turn, to 8 bits around their mean, in groups of 256 (double quantisation).
    """

    @staticmethod
    def encode(weight: Tensor) -> tuple[Tensor, ...]:
        blocks = weight.reshape(-1, BLOCK)
        largest = blocks.abs().amax(1)
        mean = largest.mean()
        groups = _grouped(largest - mean)
        scales = _nonzero(groups.abs().amax(1)) / 127
        sizes = (groups / scales[:, None]).round().to(torch.int8).flatten()[: largest.numel()]
        levels = _levels(weight)
        codes = torch.bucketize(blocks / _nonzero(largest)[:, None], (levels[1:] + levels[:-1]) / 2).to(torch.uint8)
        codes = codes.flatten()
        return codes[0::2] * 16 + codes[1::2], sizes, scales, mean, levels

    @staticmethod
    def decode(stored: tuple[Tensor, ...], shape: tuple[int, int]) -> Tensor:
        codes, sizes, scales, mean, levels = stored
        groups = _grouped(sizes.to(scales.dtype)) * scales[:, None]
        largest = groups.flatten()[: sizes.numel()] + mean
        pairs = torch.stack((codes >> 4, codes & 15), 1).int()
        return (levels[pairs].view(-1, BLOCK) * largest[:, None]).view(shape)


class _Product(torch.autograd.Function):
    """inputs @ weight.T, saving the stored tensors for the backward pass instead of the decoded weight."""

    @staticmethod
    def forward(ctx, inputs: Tensor, stored: tuple[Tensor, ...], decode, shape: tuple[int, int]) -> Tensor:
        ctx.decode, ctx.shape = decode, shape
        ctx.save_for_backward(*stored)
        return F.linear(inputs, decode(stored, shape).to(inputs.dtype))

    @staticmethod
    def backward(ctx, gradient: Tensor):
        weight = ctx.decode(ctx.saved_tensors, ctx.shape).to(gradient.dtype)
        return gradient @ weight, None, None, None


def int8(model: nn.Module) -> None:
    """Store the matrices of every block in 8 bits.

    Args:
        model: The model, changed in place.
    """
    _quantise(model, Int8)


def nf4(model: nn.Module) -> None:
    """Store the matrices of every block in 4 bits.

    Args:
        model: The model, changed in place.

    Raises:
        ValueError: A matrix cannot be divided into blocks of 64 weights.
    """
    for name, layer in model.blocks.named_modules():
        if isinstance(layer, nn.Linear) and layer.weight.numel() % BLOCK:
            raise ValueError(
                f"model.quantise: {name} has {layer.out_features} × {layer.in_features} weights, which is not a "
                f"multiple of {BLOCK}: set model/quantise=int8"
            )
    _quantise(model, NF4)


def _quantise(model: nn.Module, kind: type[Quantised]) -> None:
    for part in [*model.blocks.modules()]:
        for name, layer in [*part.named_children()]:
            if isinstance(layer, nn.Linear):
                setattr(part, name, kind(layer))


def _nonzero(sizes: Tensor) -> Tensor:
    """Replace 0 by 1, to divide by it."""
    return torch.where(sizes == 0, torch.ones_like(sizes), sizes)


def _grouped(values: Tensor) -> Tensor:
    """Return rows of GROUP values, the last one padded with zeros."""
    return F.pad(values, (0, -values.numel() % GROUP)).view(-1, GROUP)


def _levels(like: Tensor) -> Tensor:
    """Return the 16 levels of NF4 in -1…1, ascending: 7 negative, 0 and 8 positive, equally likely under a normal.

    0.9677083 is the outermost quantile, the mean of 1 - 1/32 and 1 - 1/30 (from the paper's reference code).
    """
    outermost = 0.9677083
    positive = torch.special.ndtri(torch.linspace(outermost, 0.5, 9, dtype=torch.float64)[:-1])
    negative = -torch.special.ndtri(torch.linspace(outermost, 0.5, 8, dtype=torch.float64)[:-1])
    levels = torch.cat((negative, torch.zeros(1, dtype=torch.float64), positive.flip(0))) / positive[0]
    return levels.to(dtype=like.dtype, device=like.device)

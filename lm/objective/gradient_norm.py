"""The norm of all gradients, and gradients cut to it, also where each rank holds only parts of them."""

from collections.abc import Iterable
from math import prod

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.tensor import DTensor, Replicate


@torch.no_grad()
def clip_gradients(weights: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale gradients down, in their place, where their norm is above `limit`; the norm as it was.

    torch's own does it too for parts, but asks the other ranks for one parameter after another, and may tell them
    norms that differ in the last bit: weights of which all ranks have a copy would part. Here it is one sum for all.
    """
    weights = [weight for weight in weights if weight.grad is not None]
    if not any(isinstance(weight.grad, DTensor) for weight in weights):
        return nn.utils.clip_grad_norm_(weights, limit)
    world = dist.get_world_size()
    squares, parts = [], []
    for weight in weights:
        gradient, copies = weight.grad, world
        if isinstance(gradient, DTensor):
            gradient = weight.grad = _summed(gradient)
            mesh = gradient.device_mesh
            assert mesh.size() == world, "parts lie on all ranks"
            copies = prod(
                size for size, place in zip(mesh.shape, gradient.placements, strict=True) if place.is_replicate()
            )
            gradient = gradient.to_local()
        parts.append(gradient)
        squares.append(torch.linalg.vector_norm(gradient).square() / copies)
    total = torch.stack(squares).sum()
    dist.all_reduce(total)
    norm = total.sqrt()
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)  # as torch has it
    for part in parts:
        part.mul_(factor)
    return norm


def _summed(gradient: DTensor) -> DTensor:
    """What ranks have found of the gradient of a copy each, summed."""
    places = [Replicate() if place.is_partial() else place for place in gradient.placements]
    return gradient.redistribute(placements=places)

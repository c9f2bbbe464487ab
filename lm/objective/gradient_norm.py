"""Clip gradients by their norm, also where each rank holds only shards of them."""

from collections.abc import Iterable
from math import prod

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.tensor import DTensor, Replicate


@torch.no_grad()
def clip_gradients(weights: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale the gradients down in place where their norm exceeds `limit`, and return the norm before.

    torch's own function handles shards too, but communicates once per parameter, and its norm may differ between ranks
    in the last bit, so that replicated weights would drift apart. Here the ranks exchange one sum.

    Args:
        weights: Parameters; those without a gradient are skipped.
        limit: Largest norm; infinity only measures.

    Returns:
        The norm over all ranks, a scalar, equal on all of them.
    """
    weights = [weight for weight in weights if weight.grad is not None]
    if not any(isinstance(weight.grad, DTensor) for weight in weights):
        return nn.utils.clip_grad_norm_(weights, limit)
    world = dist.get_world_size()
    squares, shards = [], []
    for weight in weights:
        gradient, copies = weight.grad, world
        if isinstance(gradient, DTensor):
            gradient = weight.grad = _summed(gradient)
            mesh = gradient.device_mesh
            assert mesh.size() == world, "shards lie on all ranks"
            copies = prod(
                size for size, place in zip(mesh.shape, gradient.placements, strict=True) if place.is_replicate()
            )
            gradient = gradient.to_local()
        shards.append(gradient)
        squares.append(torch.linalg.vector_norm(gradient).square() / copies)
    total = torch.stack(squares).sum()
    dist.all_reduce(total)
    norm = total.sqrt()
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)  # as in torch
    for shard in shards:
        shard.mul_(factor)
    return norm


def _summed(gradient: DTensor) -> DTensor:
    """Sum the partial gradients of a replicated parameter over the ranks."""
    places = [Replicate() if place.is_partial() else place for place in gradient.placements]
    return gradient.redistribute(placements=places)

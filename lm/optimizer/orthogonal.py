"""Orthogonalised matrices: equal shapes in one batch, the work divided among the ranks."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic (Jordan et al. 2024): steep at 0, within 0.7 to 1.2 at 1
STEPS = 5
SMALLEST_NORM = 1e-7
BATCH = 2**24  # most elements of one batch, of which each step holds a few copies
FEWEST_ROWS = 64  # of a matrix whose products are computed in bfloat16


def orthogonalize(matrices: Tensor, *, bfloat16: bool = False) -> Tensor:
    """Return each matrix with all singular values near 1 and its singular vectors unchanged, by Newton–Schulz steps.

    Args:
        matrices: N m n, with m ≤ n.
        bfloat16: Whether the matrix products are computed in bfloat16, which suffices for them. It is used where the
            hardware multiplies it, but for matrices in float64 and for those of fewer than FEWEST_ROWS rows.

    Returns:
        N m n, in the precision of `matrices`; a matrix of zeros stays zero.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """
    first, second, third = COEFFICIENTS
    x = matrices.to(_working_precision(matrices) if bfloat16 else matrices.dtype)
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(SMALLEST_NORM)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x.to(matrices.dtype)


def orthogonalize_all(matrices: Sequence[Tensor], *, bfloat16: bool = False) -> list[Tensor]:
    """Return each matrix orthogonalised; on several ranks each rank computes its share and the ranks exchange results.

    Matrices of one shape, or of its transpose, are one batch. A rank computes every `ranks`-th of them, so that it
    holds 1 / ranks of the whole matrices.

    Args:
        matrices: Two-dimensional, of any shapes; on several ranks the same ones on each, whole or sharded (DTensor).
        bfloat16: Whether the matrix products are computed in bfloat16 where the hardware multiplies it.

    Returns:
        One tensor for each matrix; for a sharded one this rank's shard.
    """
    stacks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, matrix in enumerate(matrices):
        stacks[min(matrix.shape), max(matrix.shape)].append(index)
    results = list(matrices)
    for members in stacks.values():
        equal = [matrices[index] for index in members]
        for index, matrix, result in zip(members, equal, _orthogonalize_equal(equal, bfloat16), strict=True):
            results[index] = _part_of(_wide(result, matrix), matrix)
    return results


def _orthogonalize_equal(matrices: Sequence[Tensor], bfloat16: bool) -> Iterator[Tensor]:
    """Yield the result of each matrix of one shape or its transpose, whole and wide."""
    ranks, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    own = []
    for place, matrix in enumerate(matrices):
        whole = _whole(matrix)  # all ranks take part in it
        if place % ranks == rank:
            own.append(_wide(whole, matrix))
    size = max(1, BATCH // max(1, matrices[0].numel()))
    batches = (torch.stack(own[first : first + size]) for first in range(0, len(own), size))
    done = [result for batch in batches for result in orthogonalize(batch, bfloat16=bfloat16)]
    if ranks == 1:
        yield from done
        return
    short, long = sorted(matrices[0].shape)
    for first in range(0, len(matrices), ranks):
        mine = first // ranks
        result = done[mine] if first + rank < len(matrices) else whole.new_zeros(short, long)
        gathered = [torch.empty_like(result) for _ in range(ranks)]
        dist.all_gather(gathered, result.contiguous())
        yield from gathered[: len(matrices) - first]


def _wide(whole: Tensor, matrix: Tensor) -> Tensor:
    """Transpose `whole` if `matrix`, whose result or value it is, is taller than wide."""
    return whole if matrix.shape[0] <= matrix.shape[1] else whole.mT


def _whole(matrix: Tensor) -> Tensor:
    if not isinstance(matrix, DTensor):
        return matrix
    mesh = matrix.device_mesh
    shard = matrix.to_local().to(mesh.device_type)  # it may rest in host memory
    return DTensor.from_local(
        shard, mesh, matrix.placements, run_check=False, shape=matrix.shape, stride=matrix.stride()
    ).full_tensor()


def _part_of(whole: Tensor, matrix: Tensor) -> Tensor:
    """Return the shard of `whole` that this rank holds of `matrix`, without communication."""
    if not isinstance(matrix, DTensor):
        return whole
    copies = [Replicate()] * matrix.device_mesh.ndim
    placed = DTensor.from_local(whole.contiguous(), matrix.device_mesh, copies, run_check=False)
    return placed.redistribute(placements=matrix.placements).to_local().to(matrix.to_local().device)


def _working_precision(matrices: Tensor) -> torch.dtype:
    if matrices.dtype == torch.float64 or matrices.shape[-2] < FEWEST_ROWS:
        return matrices.dtype
    if matrices.is_cuda:
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32

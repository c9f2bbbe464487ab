"""Cross-entropy over a large vocabulary without ever holding all logits.

At a vocabulary of 32,768 the logits of 4,096 tokens are half a gigabyte, several times over with their
gradients. Here logits exist for one chunk at a time, and only as many as fit into 64 MB wait for the backward pass. The
gradients of a *sum* of losses are known as soon as the logits are, so the forward pass computes and keeps them instead,
as Liger-Kernel and Apple's cut cross-entropy do on GPUs. A frozen output weight needs no gradient, which saves a third
of the arithmetic. Where the logits have a soft cap, its slopes are as many numbers again.
`torch.nn.functional.linear_cross_entropy` does the same from torch 2.13 on; `lm` supports 2.11.

Legend: N targets  D dim  V vocabulary  P part of the vocabulary that this rank scores; V for one rank
"""

from contextlib import AbstractContextManager

import torch
from torch import Tensor

from lm.model import Projection
from lm.objective.vocabulary_part import VocabularyPart

CHUNK = 1024  # targets whose logits exist at once
KEPT = 2**24  # most exponentials that a forward pass keeps for the backward pass: 64 MB in fp32


def _losses(
    hidden: Tensor, weight: Tensor, targets: Tensor, part: VocabularyPart, cap: float | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the loss of each target (N), exp(logits - largest) with its sums (N P, N 1), in fp32 or fp64, and slopes.

    One exponential serves the loss and its gradient; on a CPU a pass over N P costs as much as a matrix product.
    """
    target, largest, logits, slopes = _logits(hidden, weight, targets, part, cap)
    powers = logits.exp_()
    sums = part.total(powers.sum(-1, keepdim=True))
    return (sums.log() + largest - target)[:, 0], powers, sums, slopes


def _losses_and_entropies(
    hidden: Tensor, weight: Tensor, targets: Tensor, part: VocabularyPart, cap: float | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
    """Return the same, and the entropy of each prediction in nats, N."""
    target, largest, logits, slopes = _logits(hidden, weight, targets, part, cap)
    powers = logits.exp()
    sums = part.total(powers.sum(-1, keepdim=True))
    terms = part.total(torch.linalg.vecdot(powers, logits)[:, None])
    return (sums.log() + largest - target)[:, 0], powers, sums, slopes, (sums.log() - terms / sums)[:, 0]


def _logits(
    hidden: Tensor, weight: Tensor, targets: Tensor, part: VocabularyPart, cap: float | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return logits of the targets and largest ones (N 1 each), all less the largest, and slopes of a cap, N P."""
    logits = hidden @ weight.T  # N P
    logits = logits if logits.dtype == torch.float64 else logits.float()
    slopes = None
    if cap is not None:
        share = logits.div_(cap).tanh_()
        logits, slopes = share * cap, 1 - share.square()
    target = part.pick(logits, targets)
    largest = part.largest(logits.amax(-1, keepdim=True))
    return target, largest, logits.sub_(largest), slopes


def _logit_gradient(
    powers: Tensor,
    sums: Tensor,
    targets: Tensor,
    slopes: Tensor | None,
    *,
    factor: Tensor | None,
    rows: slice,
    part: VocabularyPart,
) -> Tensor:
    """Turn the powers of a chunk into the gradient of its losses by the logits before a cap, N P, in place."""
    powers.div_(sums)
    part.subtract_one(powers, targets)
    if slopes is not None:
        powers.mul_(slopes)
    return powers if factor is None else powers.mul_(factor[rows, None])


class _SummedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        loss_weights: Tensor | None,
        chunk: int,
        part: VocabularyPart,
        cap: float | None,
    ) -> Tensor:
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        exact = hidden.dtype if hidden.dtype == torch.float64 else torch.float32
        total = torch.zeros((), dtype=exact, device=hidden.device)
        hidden_gradient = torch.empty_like(hidden) if needs_hidden else None
        weight_gradient = torch.zeros_like(weight, dtype=exact) if needs_weight else None
        for start in range(0, len(targets), chunk):
            rows = slice(start, start + chunk)
            losses, powers, sums, slopes = _losses(hidden[rows], weight, targets[rows], part, cap)
            total += (losses if loss_weights is None else losses * loss_weights[rows]).sum()
            if needs_hidden or needs_weight:
                gradient = _logit_gradient(
                    powers, sums, targets[rows], slopes, factor=loss_weights, rows=rows, part=part
                ).to(hidden.dtype)
                if needs_hidden:
                    hidden_gradient[rows] = gradient @ weight.to(hidden.dtype)
                if needs_weight:
                    weight_gradient += gradient.T @ hidden[rows]  # not addmm_, which autocast leaves in fp32
        if needs_hidden:
            part.total(hidden_gradient)
        ctx.save_for_backward(hidden_gradient, weight_gradient.to(weight.dtype) if needs_weight else None)
        return total

    @staticmethod
    def backward(ctx, scale: Tensor):
        hidden_gradient, weight_gradient = ctx.saved_tensors
        if hidden_gradient is not None:
            hidden_gradient = hidden_gradient * scale.to(hidden_gradient.dtype)
        if weight_gradient is not None:
            weight_gradient = weight_gradient * scale
        return hidden_gradient, weight_gradient, None, None, None, None, None


def summed_cross_entropy(
    hidden: Tensor, projection: Projection, targets: Tensor, *, loss_weights: Tensor | None = None, chunk: int = CHUNK
) -> Tensor:
    """Return the sum over targets of -log softmax(projection.logits(hidden))[target], a scalar; 0 where N is 0.

    Output embeddings that tensor parallelism shards give the same result on each rank.

    Args:
        hidden: Final hidden states of the targets, N D.
        projection: The model's, from hidden states to logits.
        targets: Token ids, int64 N.
        loss_weights: Factor of each target's loss, N; 1 without.
        chunk: Targets whose logits exist at once.
    """
    rows, part = VocabularyPart.of(projection.weight)
    return _SummedCrossEntropy.apply(hidden, rows, targets, loss_weights, chunk, part, projection.cap)


class _TargetLosses(torch.autograd.Function):
    """One loss per target. What becomes of each is not known in the forward pass, so the backward pass scores again.

    It does not for the first chunks, whose exponentials are kept.
    """

    @staticmethod
    def forward(
        ctx,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        chunk: int,
        part: VocabularyPart,
        cap: float | None,
        measured: bool,
    ) -> tuple[Tensor, Tensor | None]:
        losses, entropies = [hidden.new_zeros(0)], [hidden.new_zeros(0)]
        ctx.kept, room = {}, KEPT if any(ctx.needs_input_grad) else 0
        for start in range(0, len(targets), chunk):
            rows = slice(start, start + chunk)
            scored = (hidden[rows], weight, targets[rows], part, cap)
            if measured:
                some, powers, sums, slopes, spread = _losses_and_entropies(*scored)
                entropies.append(spread)
            else:
                some, powers, sums, slopes = _losses(*scored)
            losses.append(some)
            if powers.numel() <= room:
                ctx.kept[start] = powers, sums, slopes
                room -= powers.numel()
        ctx.save_for_backward(hidden, weight, targets)
        ctx.chunk, ctx.part, ctx.cap, ctx.autocast = chunk, part, cap, _autocast(hidden.device.type)
        found = torch.cat(entropies[1:] or entropies) if measured else None
        if found is not None:
            ctx.mark_non_differentiable(found)
        return torch.cat(losses[1:] or losses), found

    @staticmethod
    def backward(ctx, upstream: Tensor, _: Tensor | None):
        hidden, weight, targets = ctx.saved_tensors
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        exact = hidden.dtype if hidden.dtype == torch.float64 else torch.float32
        hidden_gradient = torch.empty_like(hidden) if needs_hidden else None
        weight_gradient = torch.zeros_like(weight, dtype=exact) if needs_weight else None
        with ctx.autocast:
            for start in range(0, len(targets), ctx.chunk):
                rows = slice(start, start + ctx.chunk)
                scored = (hidden[rows], weight, targets[rows], ctx.part, ctx.cap)
                powers, sums, slopes = ctx.kept.pop(start, None) or _losses(*scored)[1:]
                gradient = _logit_gradient(
                    powers, sums, targets[rows], slopes, factor=upstream, rows=rows, part=ctx.part
                ).to(hidden.dtype)
                if needs_hidden:
                    hidden_gradient[rows] = gradient @ weight.to(hidden.dtype)
                if needs_weight:
                    weight_gradient += gradient.T @ hidden[rows]
        if needs_hidden:
            ctx.part.total(hidden_gradient)
        return hidden_gradient, weight_gradient.to(weight.dtype) if needs_weight else None, *[None] * 5


def _autocast(device: str) -> AbstractContextManager:
    """The autocast of now, which the backward pass enters again."""
    return torch.autocast(device, dtype=torch.get_autocast_dtype(device), enabled=torch.is_autocast_enabled(device))


def target_losses(hidden: Tensor, projection: Projection, targets: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Return the loss of each target in nats, N.

    For a sum of losses whose weights are known, `summed_cross_entropy` takes a matrix product less.

    Args:
        hidden: Final hidden states of the targets, N D.
        projection: The model's, from hidden states to logits; tensor parallelism may shard its output embeddings.
        targets: Token ids, int64 N.
        chunk: Targets whose logits exist at once, in the forward and in the backward pass; the first 64 MB of their
            exponentials wait for the backward pass.
    """
    rows, part = VocabularyPart.of(projection.weight)
    return _TargetLosses.apply(hidden, rows, targets, chunk, part, projection.cap, False)[0]


def target_losses_and_entropies(
    hidden: Tensor, projection: Projection, targets: Tensor, *, chunk: int = CHUNK
) -> tuple[Tensor, Tensor]:
    """Return the loss of each target and the entropy of its prediction, in nats, from the same logits: N and N.

    The entropies have no gradient. Arguments are those of `target_losses`.
    """
    rows, part = VocabularyPart.of(projection.weight)
    return _TargetLosses.apply(hidden, rows, targets, chunk, part, projection.cap, True)

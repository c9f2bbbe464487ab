"""Muon for the matrices of the blocks, AdamW for embeddings, head, norms and biases, as one optimizer."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw as update_by_adamw

from lm.bounds import BelowOne, NonNegative, Positive
from lm.optimizer.orthogonal import orthogonalize_all
from lm.optimizer.torch_class import decay_groups


class Muon(Optimizer):
    """Momentum whose matrices are orthogonalised before they are added to the weights (Jordan et al. 2024).

    torch.optim.Muon takes matrices only, one after another, and knows no shards. This class takes all weights of a
    model, computes equal shapes in one batch and divides the matrices among the ranks. Its state has torch's names.

    Args:
        groups: Parameter groups. `orthogonal` says which rule a group follows; the others of its keys are `lr`,
            `weight_decay`, and `momentum` or `betas` and `eps`.
        bfloat16: Whether matrices are orthogonalised in bfloat16 where the hardware multiplies it.
    """

    def __init__(self, groups: list[dict[str, Any]], *, bfloat16: bool = False):
        super().__init__(groups, {})
        self.bfloat16 = bfloat16

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every weight that has a gradient, and return what the closure returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                (self._update_matrices if group["orthogonal"] else self._update_others)(weights, group)
        return loss

    def _update_matrices(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[weight]["momentum_buffer"] for weight in weights]
        gradients = [weight.grad for weight in weights]
        torch._foreach_lerp_(_local(buffers), _local(gradients), 1 - group["momentum"])
        nesterov = torch._foreach_lerp(_local(gradients), _local(buffers), group["momentum"])
        placed = [_placed_as(*pair) for pair in zip(nesterov, weights, strict=True)]
        updates = orthogonalize_all(placed, bfloat16=self.bfloat16)
        torch._foreach_mul_(_local(weights), 1 - group["lr"] * group["weight_decay"])
        for weight, local, update in zip(weights, _local(weights), updates, strict=True):
            rows, columns = weight.shape
            local.add_(update, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)

    def _update_others(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        for weight in weights:
            if not self.state[weight]:
                moments = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
                self.state[weight].update(step=torch.zeros((), device=weight.device), **moments)
        states = [self.state[weight] for weight in weights]
        update_by_adamw(
            weights,
            [weight.grad for weight in weights],
            *([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq")),
            [],
            [state["step"] for state in states],
            foreach=False,
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def muon(
    model: nn.Module,
    *,
    learning_rate: Positive,
    adamw_rate: Positive = 3e-3,
    weight_decay: NonNegative = 0.1,
    momentum: BelowOne = 0.95,
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.95),
    epsilon: Positive = 1e-8,
    precision: Literal["32-true", "bf16-mixed", "bf16-true", "64-true"] = "32-true",
) -> Muon:
    """Build Muon over the trained matrices of the blocks, and AdamW over all other trained weights.

    An orthogonalised update has singular values near 1, so that each direction of a matrix learns at one rate; it is
    multiplied by √max(1, rows / columns), which bounds the change of the output at any width (Bernstein and Newhouse
    2024, arXiv:2410.21265). Embeddings and the head look up tokens rather than map directions, and stay with AdamW.

    Args:
        model: The model whose weights train.
        learning_rate: Peak learning rate of the matrices; the schedule multiplies it. 0.02 as in Jordan et al.;
            for tuning 0.01 gave more right answers than 0.005 and 0.02.
        adamw_rate: Peak learning rate of all other weights; the same schedule multiplies it.
        weight_decay: Decay of matrices, multiplied by their learning rate at each step; 0.1 as in Liu et al. 2025
            (arXiv:2502.16982), who found that Muon without decay falls behind in long runs.
        momentum: Decay rate of the moving average of the gradient, with Nesterov's look ahead.
        betas: Decay rates of AdamW's moving averages of gradient and squared gradient.
        epsilon: Added to the root of the squared gradient by AdamW.
        precision: Precision of the run, which sets it unless it is given. A bf16 run orthogonalises in bfloat16 where
            the hardware multiplies it, except matrices of fewer than 64 rows; any other run in its own precision, so
            that two strategies agree to rounding.
    """
    decays, keeps = decay_groups(model)
    tables = {name: module for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    others = ("position_embedding", "ngrams")
    vocabularies = {each.num_embeddings for name, each in tables.items() if not name.endswith(others)}
    hidden = [w for w in decays if w.ndim == 2 and min(w.shape) > 1 and w.shape[0] not in vocabularies]
    chosen = set(map(id, hidden))
    adam = {"lr": adamw_rate, "betas": betas, "eps": epsilon, "orthogonal": False}
    groups = [
        {"params": hidden, "lr": learning_rate, "momentum": momentum, "orthogonal": True},
        {"params": [weight for weight in decays if id(weight) not in chosen], **adam},
        {"params": keeps, **adam, "weight_decay": 0.0},
    ]
    return Muon(
        [{"weight_decay": weight_decay, **group} for group in groups if group["params"]],
        bfloat16=precision.startswith("bf16"),
    )


def _local(tensors: list[Tensor]) -> list[Tensor]:
    """What this rank holds of each tensor; updates of single weights need no other rank."""
    return [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]


def _placed_as(local: Tensor, weight: Tensor) -> Tensor:
    if not isinstance(weight, DTensor):
        return local
    return DTensor.from_local(
        local, weight.device_mesh, weight.placements, run_check=False, shape=weight.shape, stride=weight.stride()
    )

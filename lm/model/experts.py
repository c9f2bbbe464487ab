"""Sparse experts: a feedforward of many, of which a router picks a few for each token.

Legend: N tokens  D dim  E experts  K experts of a token
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F

from lm.bounds import Count, NonNegative


class Routing(NamedTuple):
    """Where a layer sent the tokens that it read."""

    logits: Tensor  # … E  of the router, in fp32 or fp64, with their gradient
    chosen: Tensor  # … K  int64, the experts of each token, the likeliest first


class Router(nn.Module):
    """Score every expert for a token by one matrix, E D, which adapters and quantisation leave alone.

    The scores are computed in fp32 at least, also under autocast: a rounded score picks another expert (Fedus et al.
    2021, arXiv:2101.03961, section 2.4).

    Args:
        dim: Width of the residual stream.
        experts: Experts to choose from.
    """

    def __init__(self, dim: int, experts: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights from a normal distribution of std 1 / √dim."""
        nn.init.normal_(self.weight, std=self.weight.shape[1] ** -0.5)

    def forward(self, tokens: Tensor) -> Tensor:  # N D → N E
        exact = torch.promote_types(tokens.dtype, torch.float32)
        with torch.autocast("cpu" if tokens.is_meta else tokens.device.type, enabled=False):
            return F.linear(tokens.to(exact), self.weight.to(exact))


class Experts(nn.Module):
    """Feedforwards of which each token passes the `top` that a router scores highest (Shazeer et al. 2017).

    arXiv:1701.06538; as in Mixtral (arXiv:2401.04088) and Qwen3-MoE (arXiv:2505.09388). The output is the sum of theirs
    times their probabilities. More weights at the arithmetic of a small feedforward: memory grows with all experts,
    time with those of a token. Tokens are sorted by expert once, and no expert sees a token that is not its own. There
    is no limit of tokens to an expert, so no token depends on others, and padding changes nothing.

    Experts are ordinary feedforwards in a list, so adapters, quantisation, optimizers and names treat each matrix as
    any other. A step of 2,048 tokens of a model of dim 192 takes 1.10 × the CPU time of a dense one with as many active
    weights with 2 of 8 experts, 1.56 × with 8 of 64, which are 64 wide. A grouped matrix product over stacked weights
    would save launches on a GPU where experts are many and small.

    Args:
        dim: Width of the residual stream.
        expert: Factory of an expert, called with `dim`, as `lm.model.SwiGLU`.
        experts: How many there are.
        top: Experts of a token.
        renormalise: Whether the probabilities of a token's experts are divided by their sum: always in Mixtral, in
            Qwen3-MoE as `norm_topk_prob` says.
        shared: Factory of a feedforward that every token passes beside its experts (DeepSeekMoE, arXiv:2401.06066);
            null for none.
        balance: Weight of the loss that balances the load of the experts, in training; 0 for none. 0.01 as in Fedus et
            al. 2021; Mixtral and Qwen3-MoE name 0.001. See `lm.objective.balance`.
        z_loss: Weight of the mean squared log-sum-exp of the router's scores, which keeps them small (Zoph et al.
            2022, arXiv:2202.08906); 0 for none, 0.001 as in the paper.
    """

    def __init__(
        self,
        dim: int,
        *,
        expert: Callable[..., nn.Module],
        experts: Count = 8,
        top: Count = 2,
        renormalise: bool = True,
        shared: Callable[..., nn.Module] | None = None,
        balance: NonNegative = 0.01,
        z_loss: NonNegative = 0.0,
    ) -> None:
        super().__init__()
        if not 1 <= top <= experts:
            raise ValueError(
                f"model.feedforward.top {top} is not from 1 to {experts}, the experts that there are: lower it, or "
                "raise model.feedforward.experts"
            )
        self.top, self.renormalise, self.balance, self.z_loss = top, renormalise, balance, z_loss
        self.router = Router(dim, experts)
        self.experts = nn.ModuleList(expert(dim) for _ in range(experts))
        self.shared = None if shared is None else shared(dim)
        self.record: list[Routing] | None = None  # takes the routing of each forward pass; see `recorded_routing`

    @torch.compiler.disable  # the sizes of the groups depend on the data
    def forward(self, inputs: Tensor) -> Tensor:  # … D → … D
        tokens = inputs.flatten(0, -2)  # N D
        logits = self.router(tokens)
        weights, chosen = logits.softmax(-1).topk(self.top)  # N K
        if self.record is not None:
            self.record.append(Routing(*(each.unflatten(0, inputs.shape[:-1]) for each in (logits, chosen))))
        if self.renormalise:
            weights = weights / weights.sum(-1, keepdim=True)
        outputs = self._by_expert(tokens, chosen)  # N K D
        mixed = (outputs * weights.to(outputs.dtype).unsqueeze(-1)).sum(1).view_as(inputs)
        return mixed if self.shared is None else mixed + self.shared(inputs)

    def _by_expert(self, tokens: Tensor, chosen: Tensor) -> Tensor:  # N D, N K → N K D
        """Return what the chosen experts make of each token.

        Each token is copied K times and the copies are permuted, so that the gradient is a sum in a fixed order.
        """
        number, dim = tokens.shape
        of_copies = chosen.flatten()  # N × K
        order = of_copies.argsort(stable=True)
        copies = tokens.unsqueeze(1).expand(-1, self.top, -1).reshape(number * self.top, dim).index_select(0, order)
        parts = copies.split(_group_sizes(of_copies, len(self.experts)))
        # An expert without tokens gets an empty batch, and so a gradient of 0: every rank has every gradient.
        made = [
            expert(part)
            for expert, part in zip(self.experts, parts, strict=True)
            if len(part) or torch.is_grad_enabled()
        ]
        back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        return torch.cat(made).index_select(0, back).view(number, self.top, dim)


def _group_sizes(of_copies: Tensor, experts: int) -> list[int]:
    """Return how many copies of tokens each expert gets; without values, as in an estimate, as many each."""
    if of_copies.is_meta or isinstance(of_copies, FakeTensor):
        each, more = divmod(len(of_copies), experts)
        return [each + (expert < more) for expert in range(experts)]
    return of_copies.new_zeros(experts).scatter_add_(0, of_copies, torch.ones_like(of_copies)).tolist()


def sparse_layers(model: nn.Module) -> list[Experts]:
    """Return the experts of each layer that has some, in order; a dense model has none."""
    return [part for part in model.modules() if isinstance(part, Experts)]


@contextmanager
def recorded_routing(layers: list[Experts]) -> Iterator[list[list[Routing]]]:
    """Record where `layers` send tokens, for each layer a list of its forward passes.

    Activations that are computed again in the backward pass, which is outside, are not recorded twice.
    """
    records: list[list[Routing]] = [[] for _ in layers]
    for layer, record in zip(layers, records, strict=True):
        layer.record = record
    try:
        yield records
    finally:
        for layer in layers:
            layer.record = None

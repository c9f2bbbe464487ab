"""From logits to the next token: how bold the model may be.

Legend: B batch  V vocabulary
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is picked. Applied in this order; the defaults change nothing.

    `repetition_penalty` above 1 makes what the row already holds less likely (CTRL, arXiv:1909.05858);
    `temperature` below 1 sharpens, above 1 flattens, and 0 always takes the likeliest (greedy);
    `top_k` keeps the k likeliest; `top_p` keeps the fewest that together reach p (arXiv:1904.09751).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature != 0 and not 1e-4 <= self.temperature < math.inf:
            raise ValueError(
                f"sampling.temperature {self.temperature} is not 0 (greedy) or at least 0.0001: try 0 or 0.8"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"sampling.top_k {self.top_k} keeps no token: try 50, or null for no limit")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"sampling.top_p {self.top_p} is not in (0, 1]: try 0.95, or 1 for no limit")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise ValueError(
                f"sampling.repetition_penalty {self.repetition_penalty} is not above 0: try 1.1 (1 is none)"
            )


def choose(
    logits: Tensor,  # B V
    *,
    sampling: Sampling,
    random: Sequence[torch.Generator],  # one a row, on the CPU, so that a row owes nothing to its neighbours
    seen: Tensor | None = None,  # B V, True for tokens the row already holds
) -> Tensor:  # B
    """The next token of each row."""
    logits = penalise(logits.float(), seen=seen, penalty=sampling.repetition_penalty)
    if sampling.temperature == 0:
        return logits.argmax(-1)
    chances, tokens = distribution(logits, sampling=sampling)
    totals = chances.cumsum(-1)  # B V
    draws = torch.stack([torch.rand((), generator=generator, dtype=torch.float64) for generator in random])
    threshold = draws.to(totals.device, totals.dtype)[:, None] * totals[:, -1:]
    place = (totals <= threshold).sum(-1, keepdim=True)
    last = (chances > 0).sum(-1, keepdim=True) - 1  # rounding must not reach what was ruled out
    return tokens.gather(-1, torch.minimum(place, last)).squeeze(-1)


def penalise(logits: Tensor, *, seen: Tensor | None, penalty: float) -> Tensor:
    """Push the logits of seen tokens down, whatever their sign."""
    if seen is None or penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def distribution(logits: Tensor, *, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Chances (B V, likeliest first, 0 for what is ruled out, not yet summing to 1) and whose they are."""
    ordered, tokens = logits.sort(stable=True, dim=-1, descending=True)
    ordered = ordered / sampling.temperature
    if sampling.top_k is not None:
        ordered[:, sampling.top_k :] = -torch.inf
    chances = ordered.softmax(-1)
    if sampling.top_p < 1:
        before = chances.cumsum(-1) - chances  # what likelier tokens already reach
        chances = torch.where(before < sampling.top_p, chances, 0)
    return chances, tokens

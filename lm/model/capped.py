"""Attention whose scores are bounded by a soft cap, which no fused kernel computes.

Legend: B batch  T tokens  S tokens attended to  H heads  K key/value heads  E head dim
"""

import torch
from torch import Tensor


def soft_cap(values: Tensor, cap: float) -> Tensor:
    """Return cap × tanh(values / cap): values of any size lie within ±cap, small ones stay as they are."""
    return (values / cap).tanh() * cap


def capped_attention(
    queries: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor | None, scale: float, cap: float
) -> Tensor:
    """Return the values mixed by capped scores (Gemma 2, arXiv:2408.00118, section 2): all scores exist at once.

    Args:
        queries: B H T E.
        keys: B K S E.
        values: B K S E.
        mask: B 1 T S or T S, True where a token attends; None: to all up to itself.
        scale: Factor of the scores, before the cap.
        cap: Largest score.

    Returns:
        B H T E.
    """
    shared = queries.shape[1] // keys.shape[1]
    if shared > 1:
        keys, values = keys.repeat_interleave(shared, 1), values.repeat_interleave(shared, 1)
    scores = soft_cap(queries @ keys.transpose(2, 3) * scale, cap)  # B H T S
    tokens, attended = scores.shape[-2:]
    if mask is None and tokens > 1:  # one token without a mask attends to all
        mask = torch.ones(tokens, attended, dtype=torch.bool, device=scores.device).tril(attended - tokens)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    exact = scores.dtype if scores.dtype == torch.float64 else torch.float32
    return scores.softmax(-1, dtype=exact).to(values.dtype) @ values

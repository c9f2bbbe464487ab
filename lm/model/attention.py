"""Attention: the part of a block in which tokens read one another.

Legend: B batch  T tokens  S tokens attended to (those in the cache, then T)  D dim
        H heads  K key/value heads  E head dim
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lm.bounds import Count, Positive
from lm.model.capped import capped_attention
from lm.model.position import rotate


class Attention(nn.Module):
    """Causal attention in which several query heads may share one key/value head (Ainslie et al. 2023).

    The three input matrices are separate: one fused matrix is barely faster, and would have to be split again for
    adapters, tensor parallelism and the names of other libraries.

    Args:
        dim: Width of the residual stream.
        heads: Query heads.
        key_value_heads: Key/value heads; a divisor of `heads`. Fewer shrink the cache and two of the four matrices, for
            slightly worse loss (arXiv:2305.13245). None is one for every query head.
        head_dim: Features of a head. None is dim / heads.
        query_key_norm: Norm of queries and keys, which bounds attention scores at high learning rates
            (arXiv:2302.05442), for a few % of a step on a CPU. True is an RMSNorm of each head; a factory, as
            `lm.model.CentredRMSNorm`, is called with the number of features. False has none.
        norm_across_heads: Normalise all heads of a query or key together, as in OLMo 2, instead of each alone.
        bias: Whether the matrices of queries, keys and values have biases; Llama's have none, Qwen2's do.
        output_bias: Whether the output matrix has one. None is the same as `bias`; Qwen2 has false, GPT-2 true.
        window: Tokens that a token attends to, itself included; earlier ones of its text are out of sight, which makes
            long texts cheaper (arXiv:2004.05150). None is the whole text.
        scale: Factor of attention scores. None is 1 / √head_dim.
        cap: Soft cap of attention scores, cap × tanh(score / cap), as 50 in Gemma 2: slower, since no fused kernel has
            it, and all scores of a layer exist at once. None has no cap.
        eps: Added to the mean square in the norms of queries and keys, if `query_key_norm` is true.
    """

    def __init__(
        self,
        dim: int,
        *,
        heads: int,
        key_value_heads: int | None = None,
        head_dim: int | None = None,
        query_key_norm: bool | Callable[[int], nn.Module] | None = False,
        norm_across_heads: bool = False,
        bias: bool = False,
        output_bias: bool | None = None,
        window: Count | None = None,
        scale: Positive | None = None,
        cap: Positive | None = None,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        key_value_heads = heads if key_value_heads is None else key_value_heads
        _check(dim, heads=heads, key_value_heads=key_value_heads, head_dim=head_dim)
        if window is not None and window < 1:
            raise ValueError(f"attention.window {window} is not at least 1: null lets tokens attend to the whole text")
        self.heads = heads
        self.key_value_heads = key_value_heads
        self.head_dim = dim // heads if head_dim is None else head_dim
        self.window, self.scale, self.cap = window, scale, cap
        self.norm_across_heads = norm_across_heads
        widths = heads * self.head_dim, key_value_heads * self.head_dim
        self.query = nn.Linear(dim, widths[0], bias=bias)
        self.key = nn.Linear(dim, widths[1], bias=bias)
        self.value = nn.Linear(dim, widths[1], bias=bias)
        self.output = nn.Linear(widths[0], dim, bias=bias if output_bias is None else output_bias)
        norm = partial(nn.RMSNorm, eps=eps) if query_key_norm is True else query_key_norm or None
        sizes = widths if norm_across_heads else (self.head_dim, self.head_dim)
        self.query_norm, self.key_norm = (nn.Identity() if norm is None else norm(size) for size in sizes)

    def forward(
        self,
        inputs: Tensor,  # B T D
        *,
        rotation: tuple[Tensor, Tensor] | None,
        mask: Tensor | None = None,  # B 1 T S or T S, True where a token attends; None: to all up to itself
        update_cache: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """Attend. `update_cache` stores the keys and values of this call and returns all, old and new.

        Where it returns lists of them, each for some rows in turn, the mask is a list too: rows of very different
        lengths attend apart, and a short one does not read as far as a long one.
        """
        batch, tokens, _ = inputs.shape
        queries, keys = self._normed(self.query(inputs), self.query_norm), self._normed(self.key(inputs), self.key_norm)
        # -1 stands for heads: under tensor parallelism a rank computes some of them
        values = self.value(inputs).view(batch, tokens, -1, self.head_dim).transpose(1, 2)  # B K T E
        if rotation is not None:
            queries, keys = rotate(queries, rotation), rotate(keys, rotation)
        queries, keys = queries.transpose(1, 2), keys.transpose(1, 2)  # B H T E, B K T E
        if update_cache is not None:
            keys, values = update_cache(keys, values)  # B K S E
        mix = self._mix if isinstance(keys, Tensor) else self._mix_apart
        mixed = mix(queries, keys, values, mask)  # B H T E
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, -1))

    def _normed(self, features: Tensor, norm: nn.Module) -> Tensor:
        """Split into heads, B T H E, normalised together or each alone."""
        batch, tokens, _ = features.shape
        if self.norm_across_heads:
            return norm(features).view(batch, tokens, -1, self.head_dim)
        return norm(features.view(batch, tokens, -1, self.head_dim))

    def _mix_apart(
        self, queries: Tensor, keys: list[Tensor], values: list[Tensor], masks: list[Tensor | None]
    ) -> Tensor:
        parts = queries.split([len(each) for each in keys])
        return torch.cat([self._mix(*part) for part in zip(parts, keys, values, masks, strict=True)])

    def _mix(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        if self.cap is not None:
            scale = self.head_dim**-0.5 if self.scale is None else self.scale
            return capped_attention(queries, keys, values, mask=mask, scale=scale, cap=self.cap)
        return F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and queries.shape[2] > 1,  # one token without a mask attends to all
            enable_gqa=self.heads != self.key_value_heads,
            scale=self.scale,
        )


def _check(dim: int, *, heads: int, key_value_heads: int, head_dim: int | None) -> None:
    """Refuse sizes that cannot be divided."""
    if heads < 1 or key_value_heads < 1 or heads % key_value_heads:
        raise ValueError(
            f"attention.heads {heads} is not a multiple of attention.key_value_heads {key_value_heads}, or less "
            "than 1: set heads to a multiple of key_value_heads"
        )
    if head_dim is None and dim % heads:
        raise ValueError(
            f"dim {dim} is not a multiple of attention.heads {heads}: "
            f"try dim {dim // heads * heads or heads} or {(dim // heads + 1) * heads}, "
            "or set attention.head_dim"
        )

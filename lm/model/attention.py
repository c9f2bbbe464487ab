"""Attention: the part of a block in which tokens read one another.

Legend: B batch  T tokens  S tokens attended to (those in the cache, then T)  D dim
        H heads  K key/value heads  E head dim
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

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
        query_key_norm: Normalise queries and keys per head, which bounds attention scores at high learning rates
            (arXiv:2302.05442), for a few % of a step on a CPU.
        bias: Whether the four matrices have biases; Llama's have none.
        eps: Added to the mean square in the norms of queries and keys.
    """

    def __init__(
        self,
        dim: int,
        *,
        heads: int,
        key_value_heads: int | None = None,
        head_dim: int | None = None,
        query_key_norm: bool = False,
        bias: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        key_value_heads = heads if key_value_heads is None else key_value_heads
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
        self.heads = heads
        self.key_value_heads = key_value_heads
        self.head_dim = dim // heads if head_dim is None else head_dim
        self.query = nn.Linear(dim, heads * self.head_dim, bias=bias)
        self.key = nn.Linear(dim, key_value_heads * self.head_dim, bias=bias)
        self.value = nn.Linear(dim, key_value_heads * self.head_dim, bias=bias)
        self.output = nn.Linear(heads * self.head_dim, dim, bias=bias)
        self.query_norm = nn.RMSNorm(self.head_dim, eps=eps) if query_key_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(self.head_dim, eps=eps) if query_key_norm else nn.Identity()

    def forward(
        self,
        inputs: Tensor,  # B T D
        *,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None = None,  # B 1 T S or T S, True where a token attends; None: to all up to itself
        update_cache: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """Attend. `update_cache` stores the keys and values of this call and returns all, old and new."""
        batch, tokens, _ = inputs.shape
        # -1 stands for heads: under tensor parallelism a rank computes some of them
        queries = self.query(inputs).view(batch, tokens, -1, self.head_dim)
        keys = self.key(inputs).view(batch, tokens, -1, self.head_dim)
        values = self.value(inputs).view(batch, tokens, -1, self.head_dim)
        queries = rotate(self.query_norm(queries), rotation).transpose(1, 2)  # B H T E
        keys = rotate(self.key_norm(keys), rotation).transpose(1, 2)  # B K T E
        values = values.transpose(1, 2)  # B K T E
        if update_cache is not None:
            keys, values = update_cache(keys, values)  # B K S E
        mixed = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and tokens > 1,  # one token without a mask attends to all
            enable_gqa=self.heads != self.key_value_heads,
        )
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, -1))

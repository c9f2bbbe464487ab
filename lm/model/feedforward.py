"""Feedforward networks: the part of a block that works on each token alone.

Legend: B batch  T tokens  D dim
"""

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F


class SwiGLU(nn.Module):
    """Gate one projection by another (Shazeer 2020, arXiv:2002.05202): the usual choice, better at equal parameters.

    Args:
        dim: Width of the residual stream.
        hidden: Hidden features. None is 8/3 × dim rounded up to a multiple of 64: three matrices then have as many
            weights as two of 4 × dim.
        bias: Whether the matrices have biases; Llama's have none.
    """

    def __init__(self, dim: int, *, hidden: int | None = None, bias: bool = False) -> None:
        super().__init__()
        hidden = 64 * math.ceil(dim * 8 / 3 / 64) if hidden is None else _positive(hidden)
        self.gate = nn.Linear(dim, hidden, bias=bias)
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, dim, bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:  # B T D → B T D
        return self.down(F.silu(self.gate(inputs)) * self.up(inputs))


class GeGLU(nn.Module):
    """Gate one projection by a GELU of another (Shazeer 2020, arXiv:2002.05202): as in Gemma.

    Args:
        dim: Width of the residual stream.
        hidden: Hidden features. None is 8/3 × dim rounded up to a multiple of 64, as for SwiGLU.
        bias: Whether the matrices have biases; Gemma's have none.
        approximate: `tanh` computes the GELU by a tanh, as Gemma does; `none` exactly.
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden: int | None = None,
        bias: bool = False,
        approximate: Literal["none", "tanh"] = "tanh",
    ) -> None:
        super().__init__()
        hidden = 64 * math.ceil(dim * 8 / 3 / 64) if hidden is None else _positive(hidden)
        self.gate = nn.Linear(dim, hidden, bias=bias)
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, dim, bias=bias)
        self.approximate = approximate

    def forward(self, inputs: Tensor) -> Tensor:  # B T D → B T D
        return self.down(F.gelu(self.gate(inputs), approximate=self.approximate) * self.up(inputs))


class GELU(nn.Module):
    """Two matrices and a GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415): as in GPT-2 and GPT-NeoX.

    Args:
        dim: Width of the residual stream.
        hidden: Hidden features. None is 4 × dim.
        bias: Whether the matrices have biases; GPT-2's and GPT-NeoX's have them.
        approximate: `none` computes the GELU exactly, as GPT-NeoX does; `tanh` by a tanh, as GPT-2 does.
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden: int | None = None,
        bias: bool = False,
        approximate: Literal["none", "tanh"] = "none",
    ) -> None:
        super().__init__()
        hidden = 4 * dim if hidden is None else _positive(hidden)
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, dim, bias=bias)
        self.approximate = approximate

    def forward(self, inputs: Tensor) -> Tensor:  # B T D → B T D
        return self.down(F.gelu(self.up(inputs), approximate=self.approximate))


class ReLUSquared(nn.Module):
    """Two matrices and a squared ReLU (So et al. 2021, arXiv:2109.08668): no gate, sparse, cheap in memory.

    Args:
        dim: Width of the residual stream.
        hidden: Hidden features. None is 4 × dim.
        bias: Whether the matrices have biases.
    """

    def __init__(self, dim: int, *, hidden: int | None = None, bias: bool = False) -> None:
        super().__init__()
        hidden = 4 * dim if hidden is None else _positive(hidden)
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, dim, bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:  # B T D → B T D
        return self.down(F.relu(self.up(inputs)).square())


def _positive(hidden: int) -> int:
    if hidden < 1:
        raise ValueError(f"feedforward.hidden {hidden} is not at least 1: leave it null for the usual size")
    return hidden

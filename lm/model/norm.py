"""Norms that torch does not have."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CentredRMSNorm(nn.RMSNorm):
    """Divide by the root mean square and multiply by 1 + weight: Gemma's norm.

    Weights start at 0, so that weight decay draws the factor towards 1. Computed in fp32 at least, the factor included,
    as Gemma does; nn.RMSNorm multiplies in the type of its input.

    Args:
        dim: Features that are normalised together.
        eps: Added to the mean square; 1e-6 is Gemma's.
    """

    def __init__(self, dim: int, *, eps: float = 1e-6) -> None:
        super().__init__(dim, eps=eps)

    def reset_parameters(self) -> None:
        """Set the weights to 0: a factor of 1."""
        nn.init.zeros_(self.weight)

    def forward(self, inputs: Tensor) -> Tensor:  # … D → … D
        exact = inputs if inputs.dtype == torch.float64 else inputs.float()
        factor = 1 + self.weight.to(exact.dtype)
        return F.rms_norm(exact, self.normalized_shape, factor, self.eps).to(inputs.dtype)

"""Rotary position embeddings: queries and keys are rotated by position (RoFormer, arXiv:2104.09864).

Legend: B batch  T tokens  H heads  E head dim
"""

import torch
from torch import Tensor, nn


class Rotary(nn.Module):
    """Rotate each pair of features by an angle that grows with the position: attention depends on distances only.

    Pairs are feature i with feature i + E/2, as in Hugging Face's Llama, so weights convert unchanged; the paper's and
    Meta's own files pair neighbours (i, i + 1). Nothing is stored: angles are computed in fp32 once per forward pass,
    so that casting the model to bf16 cannot blur distant positions.

    Args:
        head_dim: Features of a head; even.
        theta: Base of the angles. 10000 is RoFormer's; contexts of many thousand tokens need more, as Llama 3's 500000.
    """

    def __init__(self, head_dim: int, *, theta: float = 10_000.0) -> None:
        super().__init__()
        if head_dim % 2:
            raise ValueError(f"head_dim {head_dim} is odd: rotary positions rotate pairs of features, so make it even")
        if theta <= 0:
            raise ValueError(f"position.theta {theta} is not above 0: try 10000")
        self.head_dim = head_dim
        self.theta = theta

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cosine and the signed sine for `rotate`, which all layers share."""
        exponents = torch.arange(0, self.head_dim, 2, device=positions.device, dtype=torch.float32)
        frequencies = self.theta ** (-exponents / self.head_dim)  # E/2
        angles = (positions.float().unsqueeze(-1) * frequencies).unsqueeze(-2)  # B T 1 E/2
        cosine, sine = angles.cos(), angles.sin()
        return torch.cat((cosine, cosine), -1), torch.cat((-sine, sine), -1)  # B T 1 E each


def rotate(features: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate `features` (B T H E). Rolling by E/2 swaps the features of a pair; the sine has the sign."""
    cosine, sine = rotation
    swapped = features.roll(features.shape[-1] // 2, -1)
    return torch.addcmul(features * cosine, swapped, sine).to(features.dtype)

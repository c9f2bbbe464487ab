"""Where a token stands, told to attention by turning its queries and keys (RoFormer, arXiv:2104.09864).

Legend: B batch  T tokens  H heads  E head dim
"""

import torch
from torch import Tensor, nn


class Rotary(nn.Module):
    """Turn each pair of features by an angle that grows with the position: attention sees distances only.

    Pairs are feature i with feature i + E/2, as in Hugging Face's Llama, so weights move over unchanged;
    the paper's and Meta's own files pair neighbours (i, i + 1) instead. Nothing is stored: angles are
    computed in fp32 once a forward, so casting the model to bf16 cannot blur far positions.
    """

    def __init__(self, head_dim: int, *, theta: float = 10_000.0) -> None:
        super().__init__()
        if head_dim % 2:
            raise ValueError(f"head_dim {head_dim} is odd: rotary turns pairs of features, so make it even")
        if theta <= 0:
            raise ValueError(f"position.theta {theta} is not above 0: try 10000")
        self.head_dim = head_dim
        self.theta = theta

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """The cosine and the signed sine for `rotate`, shared by every layer."""
        exponents = torch.arange(0, self.head_dim, 2, device=positions.device, dtype=torch.float32)
        frequencies = self.theta ** (-exponents / self.head_dim)  # E/2
        angles = (positions.float().unsqueeze(-1) * frequencies).unsqueeze(-2)  # B T 1 E/2
        cosine, sine = angles.cos(), angles.sin()
        return torch.cat((cosine, cosine), -1), torch.cat((-sine, sine), -1)  # B T 1 E each


def rotate(features: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn `features` (B T H E). Rolling by half swaps the pair; the sign is already in the sine."""
    cosine, sine = rotation
    swapped = features.roll(features.shape[-1] // 2, -1)
    return torch.addcmul(features * cosine, swapped, sine).to(features.dtype)

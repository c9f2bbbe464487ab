"""Rotary position embeddings: queries and keys are rotated by position (RoFormer, arXiv:2104.09864).

Legend: B batch  T tokens  H heads  E head dim  R rotated features of a head
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lm.model.scaling import Scaling


class Rotary(nn.Module):
    """Rotate each pair of features by an angle that grows with the position: attention depends on distances only.

    Pairs are feature i with feature i + R/2, as in Hugging Face's Llama, so weights convert unchanged; the paper's and
    Meta's own files pair neighbours (i, i + 1). Nothing is stored: angles are computed in fp32 once per forward pass,
    so that casting the model to bf16 cannot blur distant positions.

    Args:
        head_dim: Features of a head; even.
        theta: Base of the angles. 10000 is RoFormer's; contexts of many thousand tokens need more, as Llama 3's 500000.
        fraction: Share of a head's features that are rotated, the first ones; GPT-NeoX rotates a quarter.
        scaling: Factory of a change of the frequencies for a longer context than the pretrained one, as
            `lm.model.YarnScaling`. None changes nothing.
    """

    def __init__(
        self,
        head_dim: int,
        *,
        theta: float = 10_000.0,
        fraction: float = 1.0,
        scaling: Callable[[], Scaling] | None = None,
    ) -> None:
        super().__init__()
        rotated = int(head_dim * fraction)
        if not 0 < fraction <= 1 or rotated < 2:
            raise ValueError(f"position.fraction {fraction} of head_dim {head_dim} rotates no pair: try 1.0 or 0.25")
        if rotated % 2:
            what = f"head_dim {head_dim}" if fraction == 1 else f"position.fraction {fraction} of head_dim {head_dim}"
            raise ValueError(f"{what} is odd: rotary positions rotate pairs of features, so make it even")
        if theta <= 0:
            raise ValueError(f"position.theta {theta} is not above 0: try 10000")
        self.rotated = rotated
        self.theta = theta
        self.scaling = None if scaling is None else scaling()

    @property
    def unchanged_up_to(self) -> int | None:
        """Tokens of a text up to which the angles of a position hold; None if they hold at any length."""
        return None if self.scaling is None else self.scaling.unchanged_up_to

    def forward(self, positions: Tensor, lengths: Callable[[], Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return the cosine and the signed sine for `rotate`, which all layers share.

        Args:
            positions: Position of each token in its text, B T.
            lengths: Returns the tokens of the text that each token is in, B T; called only if the angles depend on it.
        """
        exponents = torch.arange(0, self.rotated, 2, device=positions.device, dtype=torch.float32)
        frequencies = self.theta ** (-exponents / self.rotated)  # R/2
        if self.scaling is not None:
            known = positions.amax()[None, None] + 1 if lengths is None else lengths()
            frequencies = self.scaling(frequencies, theta=self.theta, lengths=known.unsqueeze(-1))
        angles = (positions.float().unsqueeze(-1) * frequencies).unsqueeze(-2)  # B T 1 R/2
        cosine, sine = angles.cos(), angles.sin()
        if self.scaling is not None:
            cosine, sine = cosine * self.scaling.attention_factor, sine * self.scaling.attention_factor
        return torch.cat((cosine, cosine), -1), torch.cat((-sine, sine), -1)  # B T 1 R each


class NoPosition(nn.Module):
    """Rotate nothing: a layer without positions (NoPE, arXiv:2305.19466), which knows the order by the mask alone.

    Args:
        head_dim: Features of a head; any number.
    """

    unchanged_up_to = None

    def __init__(self, head_dim: int) -> None:
        super().__init__()

    def forward(self, positions: Tensor, lengths: Callable[[], Tensor] | None = None) -> None:
        """Return None, by which attention rotates nothing."""


class LearnedPositions(nn.Embedding):
    """A learned vector of each position, added to the embedding of the token: GPT-2. No text outgrows the table.

    Args:
        context: Positions, those of the model's context.
        dim: Width of the residual stream.
    """

    def __init__(self, context: int, dim: int) -> None:
        super().__init__(context, dim)

    def forward(self, positions: Tensor) -> Tensor:  # B T → B T D
        """Return the vector of each position; padding of a wide row may lie beyond the table, and means nothing."""
        return super().forward(positions.clamp_max(self.num_embeddings - 1))


def rotate(features: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the first R of `features`, B T H E. Rolling by R/2 swaps the pairs, and the sine has the sign."""
    cosine, sine = rotation
    rotated = cosine.shape[-1]
    if rotated < features.shape[-1]:
        return torch.cat((rotate(features[..., :rotated], rotation), features[..., rotated:]), -1)
    swapped = features.roll(rotated // 2, -1)
    return torch.addcmul(features * cosine, swapped, sine).to(features.dtype)

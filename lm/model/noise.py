"""Noise on the embeddings during fine-tuning: NEFTune (Jain et al. 2023, arXiv:2310.05914).

Legend: B batch  T tokens  D dim
"""

import torch
from torch import Tensor


def add_noise(embedded: Tensor, starts: Tensor | None, *, alpha: float) -> Tensor:  # B T D, B T → B T D
    """Add uniform noise in ±alpha / √(L × D) to each feature, where L is the length of the token's document.

    The norm of a document's noise is then alpha / √3 on average, at any length and however rows are packed.

    Args:
        embedded: Embeddings, B T D.
        starts: Index in the row at which each token's document starts, B T; None for one document per row.
        alpha: Size of the noise; the paper uses 5 to 15.

    Returns:
        The embeddings with noise, B T D.
    """
    if starts is None:
        lengths = torch.full_like(embedded[..., 0], embedded.shape[1], dtype=torch.float32)
    else:
        zeros = torch.zeros_like(starts, dtype=torch.float32)  # bf16 cannot count beyond 256
        lengths = zeros.scatter_add(1, starts, torch.ones_like(zeros)).gather(1, starts)  # B T
    reach = (alpha / (lengths * embedded.shape[-1]).sqrt()).to(embedded.dtype)
    return embedded + torch.empty_like(embedded).uniform_(-1, 1) * reach.unsqueeze(-1)

"""Noise on the embeddings during fine-tuning: NEFTune (Jain et al. 2023, arXiv:2310.05914).

Legend: B batch  T tokens  D dim
"""

import torch
from torch import Tensor

from lm.model.visibility import document_lengths


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
        lengths = document_lengths(starts).float()  # not in bf16, which cannot count beyond 256
    reach = (alpha / (lengths * embedded.shape[-1]).sqrt()).to(embedded.dtype)
    return embedded + torch.empty_like(embedded).uniform_(-1, 1) * reach.unsqueeze(-1)

"""Noise on the embeddings while a model is tuned: NEFTune (Jain et al. 2023, arXiv:2310.05914).

Legend: B batch  T tokens  D dim
"""

import torch
from torch import Tensor


def noisy(embedded: Tensor, starts: Tensor | None, *, alpha: float) -> Tensor:  # B T D, B T → B T D
    """Uniform noise in ±alpha / √(L × D) on each feature, L being the length of the token's document.

    So a document's noise is of length alpha / √3 in the mean whatever its size, and however rows are packed. `starts`
    is where each token's document begins in its row; None: one document a row.
    """
    if starts is None:
        lengths = torch.full_like(embedded[..., 0], embedded.shape[1], dtype=torch.float32)
    else:
        zeros = torch.zeros_like(starts, dtype=torch.float32)  # bf16 counts no further than 256
        lengths = zeros.scatter_add(1, starts, torch.ones_like(zeros)).gather(1, starts)  # B T
    reach = (alpha / (lengths * embedded.shape[-1]).sqrt()).to(embedded.dtype)
    return embedded + torch.empty_like(embedded).uniform_(-1, 1) * reach.unsqueeze(-1)

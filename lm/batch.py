"""The contract between data and objective: a model can be trained on whatever fills these fields.

Legend: B rows  T tokens a row
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass
class Batch:
    """Rows of tokens, what each position should predict, and the number that the sum of losses is divided by."""

    tokens: Tensor  # B T  int64, what the model reads
    targets: Tensor  # B T  int64, what each position should predict
    supervised: Tensor  # B T  bool, which targets count
    denominator: float  # loss weights (or supervised targets) of the whole step: all micro-batches, all ranks
    documents: Tensor | None = None  # B T  int64, the document of each token; -1 is padding; None: one a row
    kinds: Tensor | None = None  # B T  int64, index of the kind or task of each target (validation)
    bytes: Tensor | None = None  # B T  int64, source bytes of each target (validation)
    loss_weights: Tensor | None = None  # B T  float32, weight of each target; None: 1 where supervised, else 0

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch on `device`."""
        moved = {
            field.name: value.to(device, non_blocking=non_blocking)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)


@dataclass
class PromptBatch(Batch):
    """Prompts to answer, padded on the left; `supervised` marks the position that an answer continues from."""

    prompt: Tensor | None = None  # B  int64, number of each prompt in `Rows.asked`

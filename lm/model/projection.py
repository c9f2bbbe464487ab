"""From the last features to the scores of the vocabulary.

Legend: D dim  V vocabulary
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from lm.model.capped import soft_cap


@dataclass(frozen=True)
class Projection:
    """How logits follow from features: what a loss needs that computes them in chunks.

    Attributes:
        weight: Output embeddings, V D; tensor parallelism may shard them.
        cap: Soft cap of the logits, cap × tanh(logit / cap); None has none.
    """

    weight: Tensor
    cap: float | None = None

    def logits(self, hidden: Tensor) -> Tensor:  # … D → … V
        """Return the logits of some features, all at once."""
        scores = F.linear(hidden, self.weight)
        return scores if self.cap is None else soft_cap(scores, self.cap)

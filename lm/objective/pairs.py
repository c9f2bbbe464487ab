"""What a preference loss is a function of: log-probabilities of pairs of answers, and what it returns of them.

Legend: N pairs
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Log-probabilities of pairs of answers. A loss of theirs is a function of one pair: no pair depends on another."""

    chosen: Tensor  # N  log-probability of the chosen answer, summed over its tokens
    rejected: Tensor  # N
    chosen_tokens: Tensor  # N  tokens of the chosen answer, the end of turn included; at least 1
    rejected_tokens: Tensor  # N
    reference: Tensor | None = None  # N 2  the sums of both sides by the reference model

    def ratios(self) -> tuple[Tensor, Tensor]:
        """Return log π − log π_ref of the chosen and of the rejected answer, each N.

        Raises:
            ValueError: There is no reference.
        """
        if self.reference is None:
            raise ValueError(
                "objective.formula compares the model with a reference, and there is none: set "
                "objective/reference=frozen or cached, or a formula without one, as objective=simpo"
            )
        return self.chosen - self.reference[:, 0], self.rejected - self.reference[:, 1]

    def ratios_per_token(self) -> tuple[Tensor, Tensor]:
        """Return (log π − log π_ref) / tokens of the chosen and of the rejected answer, each N."""
        chosen, rejected = self.ratios()
        return chosen / self.chosen_tokens, rejected / self.rejected_tokens

    def per_token(self) -> tuple[Tensor, Tensor]:
        """Return log π / tokens of the chosen and of the rejected answer, each N."""
        return self.chosen / self.chosen_tokens, self.rejected / self.rejected_tokens


class Scored(NamedTuple):
    """What a preference loss returns.

    `chosen` and `rejected` are the rewards that the loss compares; metrics are of them.
    """

    losses: Tensor  # N
    chosen: Tensor  # N
    rejected: Tensor  # N

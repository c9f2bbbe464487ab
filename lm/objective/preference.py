"""Prefer one answer to another: the objective of pairs, whose formula is a part.

Legend: B rows  T tokens a row  P pairs a row  D documents a row, 2 P  N pairs of a batch, B P
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from lm.batch import PreferenceBatch
from lm.bounds import Positive
from lm.model.dropout import switch_off_dropout
from lm.objective.log_probabilities import document_log_probabilities
from lm.objective.pair_objective import PairObjective, document_numbers
from lm.objective.pairs import Pairs, Scored
from lm.objective.reference import Reference
from lm.parallel import placement_of


class Preference(PairObjective):
    """Make chosen answers more likely than rejected ones, by a formula of both log-probabilities.

    The loss is a mean over the pairs of the optimizer step. Dropout is off, so that model and reference compare.

    Args:
        model: The network to train, a `Transformer`.
        formula: Loss of pairs by their log-probabilities, as `lm.objective.preference_losses.dpo`.
        reference: Factory of the reference, called with the network: a frozen copy of the starting weights, or their
            log-probabilities on disk; see objective/reference. null for a formula without one.
        optimizer: Factory of the optimizer; called with the network.
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Optimizer steps of the whole run.
        kinds: Names of the kinds or tasks that validation reports one by one.
        gradient_clip: Largest norm of the gradient; null does not clip.

    Raises:
        ValueError: The formula compares with a reference, and there is none.
    """

    reads = (PreferenceBatch,)
    further = ("logps/chosen", "logps/rejected")

    def __init__(
        self,
        model: nn.Module,
        *,
        formula: Callable[[Pairs], Scored],
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., float],
        steps: int,
        reference: Callable[[nn.Module], Reference] | None = None,
        kinds: Sequence[str] = (),
        gradient_clip: Positive | None = 1.0,
    ):
        super().__init__(
            model, optimizer=optimizer, schedule=schedule, steps=steps, kinds=kinds, gradient_clip=gradient_clip
        )
        switch_off_dropout(model)
        self.formula = formula
        self.reference = None if reference is None else reference(model)
        pair = torch.full((1,), -1.0)
        formula(Pairs(pair, pair, -pair, -pair, None if reference is None else torch.full((1, 2), -1.0)))  # fits?

    def setup(self, stage: str) -> None:
        if self.reference is not None:
            self.reference.start(self.trainer, self.model, document_numbers)

    def configure_model(self) -> None:
        if self.reference is not None:
            self.reference.place(placement_of(self.trainer.strategy))
        super().configure_model()

    def score(self, batch: PreferenceBatch, *, held_out: bool) -> tuple[Scored, Tensor, Mapping[str, Tensor]]:
        pairs, there = self._pairs(batch, held_out=held_out)
        return self.formula(pairs), there, {"logps/chosen": pairs.chosen, "logps/rejected": pairs.rejected}

    def _pairs(self, batch: PreferenceBatch, *, held_out: bool) -> tuple[Pairs, Tensor]:
        """The pairs of a batch, and whether each slot of N holds one; an empty slot has numbers that harm nothing."""
        documents = 2 * batch.pair.shape[1]
        sums, counts = document_log_probabilities(self.model, batch, documents=documents)
        counts = counts.view(-1, 2)
        there = (batch.pair.flatten() >= 0) & (counts > 0).all(1)  # N
        reference = self._reference(batch, held_out=held_out)
        sums, reference = (
            None if each is None else torch.where(there[:, None], each.reshape(-1, 2), -1.0)
            for each in (sums, reference)
        )
        return Pairs(*sums.unbind(1), *counts.clamp(min=1).unbind(1), reference), there

    def _reference(self, batch: PreferenceBatch, *, held_out: bool) -> Tensor | None:
        if self.reference is None or batch.reference is not None:
            return batch.reference
        return self.reference.log_probabilities(batch, document_numbers(batch), held_out=held_out)

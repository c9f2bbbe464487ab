"""Learn from single answers that are labelled good or bad: KTO.

Legend: B rows  T tokens a row  E answers a row
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lm.batch import LabelledBatch, PreferenceBatch
from lm.bounds import NonNegative, Positive
from lm.interval import wilson_interval
from lm.model.dropout import switch_off_dropout
from lm.objective.log_probabilities import document_kinds, document_log_probabilities
from lm.objective.mismatched import mismatched_rows
from lm.objective.objective import Objective
from lm.objective.reference import Reference
from lm.parallel import placement_of
from lm.process.ranks import data_share

MEASURED = ("rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected")  # of good ones, of bad ones


def kto_losses(
    ratios: Tensor, desirable: Tensor, *, baseline: Tensor | float, beta: float, weights: tuple[float, float]
) -> Tensor:
    """Return λ_D (1 − σ(β(r − z))) of desirable answers and λ_U (1 − σ(β(z − r))) of others, N.

    Args:
        ratios: r, log π − log π_ref of each answer, N.
        desirable: Whether an answer is good, bool N.
        baseline: z, the mean r of mismatched prompts and answers, at least 0.
        beta: β, the price of leaving the reference.
        weights: λ_D and λ_U.
    """
    above, (good, bad) = beta * (ratios - baseline), weights
    return torch.where(desirable, good * torch.sigmoid(-above), bad * torch.sigmoid(above))


class KTO(Objective):
    """Make good answers more and bad answers less likely than the reference does (Ethayarajh et al. 2024).

    arXiv:2402.01306. Data are answers labelled good or bad; pairs count as two of them. What counts as more likely is
    measured against a baseline z, how far the model has left the reference: max(0, mean r) over the answers of the
    whole optimizer step, each behind the prompt of another. The loss is a mean over the answers of the step.

    Held-out metrics take 0 for the baseline: a good answer is judged right if its r is above 0, a bad one if it is
    below.

    Args:
        model: The network to train, a `Transformer`.
        reference: Factory of the reference, called with the network; a frozen copy, since no cache has the log-
            probabilities of mismatched answers.
        beta: Price of leaving the reference; 0.1 is the paper's.
        desirable_weight: λ_D, the weight of good answers. Where they are fewer, raise it so that λ_D × good and
            λ_U × bad answers are about equal.
        undesirable_weight: λ_U, the weight of bad answers.
        optimizer: Factory of the optimizer; called with the network.
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Optimizer steps of the whole run.
        kinds: Names of the kinds or tasks that validation reports one by one.
        gradient_clip: Largest norm of the gradient; null does not clip.

    Raises:
        ValueError: The reference cannot score every text; or a step has fewer than two answers.
    """

    metric = "validation/rewards/accuracies"
    mode: Literal["min", "max"] = "max"
    validation_sums = 4 + len(MEASURED)  # losses, accuracies, good ones, bad ones, and what is measured
    reads = (LabelledBatch, PreferenceBatch)

    def __init__(
        self,
        model: nn.Module,
        *,
        reference: Callable[[nn.Module], Reference],
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., float],
        steps: int,
        beta: Positive = 0.1,
        desirable_weight: NonNegative = 1.0,
        undesirable_weight: NonNegative = 1.0,
        kinds: Sequence[str] = (),
        gradient_clip: Positive | None = 1.0,
    ):
        super().__init__(
            model, optimizer=optimizer, schedule=schedule, steps=steps, kinds=kinds, gradient_clip=gradient_clip
        )
        switch_off_dropout(model)
        self.reference = reference(model)
        if not self.reference.scores_any_text:
            raise ValueError(
                "objective=kto scores answers behind other prompts, and a cache has them only behind their own: set "
                "objective/reference=frozen"
            )
        self.beta, self.weights = beta, (desirable_weight, undesirable_weight)
        self.baseline: Tensor | float = 0.0  # of the step that is trained
        self.counts: Tensor | None = None  # its good and its bad answers, over all ranks

    def setup(self, stage: str) -> None:
        self.reference.start(self.trainer, self.model, lambda batch: batch.labelled().example)

    def configure_model(self) -> None:
        self.reference.place(placement_of(self.trainer.strategy))
        super().configure_model()

    @torch.no_grad()
    def prepare_step(self, batches: list[LabelledBatch | PreferenceBatch]) -> list[LabelledBatch | PreferenceBatch]:
        """Compute the baseline of the step: each answer once, behind the prompt of the next other one by number."""
        ranks, rank = (1, 0) if self._trainer is None else data_share(self.trainer)
        labelled, device = [batch.labelled() for batch in batches], batches[0].tokens.device
        texts, answers = mismatched_rows(
            labelled, self._everywhere, context=self.model.context, share=(ranks, rank), rows=len(batches[0].tokens)
        )
        if answers < 2:
            raise ValueError(
                f"objective=kto compares the answers of a step, and this one has {answers}: raise budget.batch_tokens"
            )
        total = sum((self._ratios(rows.to(device))[0].sum() for rows in texts), torch.zeros((), device=device))
        good, bad = (
            sum(((each.example >= 0) & (each.desirable == wanted)).sum() for each in labelled).to(total.dtype)
            for wanted in (True, False)
        )
        total, *counts = self.over_ranks(torch.stack([total, good, bad]))
        self.baseline, self.counts = (total / answers).clamp(min=0), torch.stack(counts)
        self.record("kl", self.baseline / ranks)
        return batches

    def summed_loss(self, batch: LabelledBatch | PreferenceBatch) -> Tensor:
        """The loss summed over the batch's answers, as `batch.denominator` counts; metrics of training are recorded."""
        answers = batch.labelled()
        ratios, sums, there = self._ratios(answers)
        desirable = answers.desirable.flatten()
        losses = kto_losses(ratios, desirable, baseline=self.baseline, beta=self.beta, weights=self.weights)
        counts = ratios.new_ones(2) if self.counts is None else self.counts  # a step that is estimated has none
        measured = self._measure(ratios, sums, desirable, there).sum(1)[2:] / counts.clamp(min=1).repeat(2)
        for name, part in zip(MEASURED, measured, strict=True):
            self.record(name, part)
        self.record("rewards/margins", measured[0] - measured[1])
        return torch.where(there, losses, 0.0).sum() * (batch.denominator / answers.denominator)

    def add_validation(self, batch: LabelledBatch | PreferenceBatch, sums: Tensor) -> None:
        answers = batch.labelled()
        ratios, log_probabilities, there = self._ratios(answers)
        desirable = answers.desirable.flatten()
        losses = kto_losses(ratios, desirable, baseline=0.0, beta=self.beta, weights=self.weights)
        right = torch.where(desirable, ratios, -ratios).sign() / 2 + 0.5  # half for 0
        table = torch.stack([torch.where(there, losses, 0.0), torch.where(there, right.to(losses.dtype), 0.0)])
        table = torch.cat([table, self._measure(ratios, log_probabilities, desirable, there)])
        kinds = document_kinds(answers, documents=answers.example.shape[1]).flatten().cpu()
        sums.index_add_(1, kinds, table.double().cpu())

    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Means over all held-out answers and by kind; the accuracy over all with its 95 % interval (Wilson)."""
        named = {"": sums.sum(1)} | {f"/{kind}": sums[:, i] for i, kind in enumerate(self.kinds)}
        metrics = {}
        for suffix, (loss, right, good, bad, *measured) in named.items():
            if good + bad > 0:
                values = {"loss": loss / (good + bad), "rewards/accuracies": right / (good + bad)}
                values |= {
                    name: value / (good if name.endswith("chosen") else bad).clamp(min=1)
                    for name, value in zip(MEASURED, measured, strict=True)
                }
                values["rewards/margins"] = values["rewards/chosen"] - values["rewards/rejected"]
                metrics |= {f"validation/{name}{suffix}": float(value) for name, value in values.items()}
                metrics[f"validation/answers{suffix}"] = float(good + bad)
        _, right, good, bad, *_ = sums.sum(1)
        if good + bad > 0:
            low, high = wilson_interval(float(right), float(good + bad))
            metrics |= {f"{self.metric}_low": low, f"{self.metric}_high": high}
        return metrics

    def _ratios(self, answers: LabelledBatch) -> tuple[Tensor, Tensor, Tensor]:
        """log π − log π_ref and log π of each slot, and whether it holds an answer; each B E, flat."""
        slots = answers.example.shape[1]
        sums, counts = document_log_probabilities(self.model, answers, documents=slots)
        reference = answers.reference
        if reference is None:
            reference = self.reference.log_probabilities(answers, answers.example, held_out=False)
        there = (answers.example >= 0) & (counts > 0)
        return torch.where(there, sums - reference, 0.0).flatten(), sums.flatten(), there.flatten()

    def _measure(self, ratios: Tensor, sums: Tensor, desirable: Tensor, there: Tensor) -> Tensor:
        """Whether each slot is good and whether it is bad, and MEASURED."""
        good, bad = ((there & each).to(ratios.dtype) for each in (desirable, ~desirable))
        rewards, sums = self.beta * ratios.detach(), sums.detach()
        return torch.stack([good, bad, rewards * good, rewards * bad, sums * good, sums * bad])

    def _everywhere(self, texts: list) -> list:
        """What all ranks give, one after another."""
        if self._trainer is None or self.trainer.world_size == 1:
            return texts
        gathered: list = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(gathered, texts)
        return [text for each in gathered for text in each]

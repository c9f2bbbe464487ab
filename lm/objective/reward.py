"""Learn a score of answers from pairs: the reward model.

Legend: B rows  T tokens a row  D documents a row, 2 P  P pairs a row
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from lm.batch import Batch, PreferenceBatch
from lm.bounds import NonNegative, Positive
from lm.model.experts import Routing
from lm.objective.balance import Usage
from lm.objective.pair_objective import PairObjective
from lm.objective.pairs import Scored


class RewardModel(PairObjective):
    """Score chosen answers above rejected ones.

    The loss is −ln σ(s_chosen − s_rejected − margin) + c (s_chosen + s_rejected)², a mean over pairs: the model of
    Bradley and Terry (1952), as in InstructGPT (Ouyang et al. 2022, arXiv:2203.02155). The score of an answer is that
    of its last token, the end of turn, and depends on nothing but the tokens before it. Only differences are learned;
    the second term centres the scores (Eisenstein et al. 2023, arXiv:2312.09244).

    Args:
        model: The network to train, a `Transformer` with a scalar head: model/head=scalar.
        center: c, the weight of the squared sum of both scores, which keeps their mean near 0; 0.01 is usual.
        margin: Factor of the margins that the data give, by which scores should differ; 0 ignores them. Llama 2 had
            margins by how sure the annotators were (arXiv:2307.09288).
        optimizer: Factory of the optimizer; called with the network.
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Optimizer steps of the whole run.
        kinds: Names of the kinds or tasks that validation reports one by one.
        gradient_clip: Largest norm of the gradient; null does not clip.

    Raises:
        ValueError: The model has no scalar head, or one that is frozen.
    """

    reads = (PreferenceBatch,)

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., float],
        steps: int,
        center: NonNegative = 0.01,
        margin: NonNegative = 1.0,
        kinds: Sequence[str] = (),
        gradient_clip: Positive | None = 1.0,
    ):
        super().__init__(
            model, optimizer=optimizer, schedule=schedule, steps=steps, kinds=kinds, gradient_clip=gradient_clip
        )
        if model.head is None or not model.head.weight.requires_grad:
            raise ValueError("objective=reward trains a score, which the model has no head for: set model/head=scalar")
        if model.output is not None:
            model.output.requires_grad_(False)  # which nothing uses; ranks would wait for its gradient
        self.center, self.margin = center, margin

    def score(self, batch: PreferenceBatch, *, held_out: bool) -> tuple[Scored, Tensor, Mapping[str, Tensor]]:
        there = (batch.pair >= 0).flatten()
        scores = document_scores(self.model, batch, documents=2 * batch.pair.shape[1]).reshape(-1, 2)
        chosen, rejected = scores.unbind(1)
        losses = -logsigmoid(chosen - rejected - self.margin * batch.margin.flatten())
        return Scored(losses + self.center * (chosen + rejected).square(), chosen, rejected), there, {}

    def expert_usage(self, batch: PreferenceBatch, passes: list[list[Routing]]) -> tuple[Usage, Tensor]:
        tokens, spread, _ = _with_ends(batch, 2 * batch.pair.shape[1])
        return super().expert_usage(replace(batch, tokens=tokens, documents=spread), passes)


def document_scores(model: nn.Module, batch: Batch, *, documents: int) -> Tensor:
    """Return the score of each document at the last token that is supervised, B D; arbitrary for one that is not there.

    Rows hold the last token of a document as a target only. Here each document is one token longer, so that the model
    reads the token it is scored at.

    Args:
        model: A `Transformer` with a scalar head.
        batch: Packed rows.
        documents: D, more than the largest number of a document in the batch.
    """
    tokens, spread, last = _with_ends(batch, documents)
    hidden = model.hidden(tokens, documents=spread)
    picked = hidden.gather(1, last[..., None].expand(-1, -1, hidden.shape[-1]))  # B D dim
    return model.head(picked)[..., 0].float() if hidden.dtype != torch.float64 else model.head(picked)[..., 0]


def _with_ends(batch: Batch, documents: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens and documents of rows that hold the last token of each document, and where that is, B D."""
    rows, width = batch.tokens.shape
    numbers = torch.zeros_like(batch.tokens) if batch.documents is None else batch.documents
    longer = width + documents
    place = torch.arange(width, device=numbers.device) + numbers  # B T, in the wider row
    place = torch.where(numbers >= 0, place, longer)  # padding goes to a column that is cut off
    after = torch.where(numbers >= 0, place + 1, longer)
    tokens = batch.tokens.new_zeros(rows, longer + 1)
    tokens = tokens.scatter(1, place, batch.tokens).scatter(1, after, batch.targets)[:, :longer]
    spread = numbers.new_full((rows, longer + 1), -1)
    spread = spread.scatter(1, place, numbers).scatter(1, after, numbers)[:, :longer]
    supervised = torch.zeros_like(batch.tokens, dtype=torch.bool)
    supervised[batch.supervised] = True
    last = torch.where(supervised, after, 0)
    at = place.new_zeros(rows, documents).scatter_reduce(1, numbers.clamp(min=0), last, "amax")
    return tokens, spread, at


@torch.inference_mode()
def text_scores(model: nn.Module, texts: Sequence[Sequence[int]], *, rows: int = 8) -> list[float]:
    """Return the score of each text at its last token, which depends neither on the other texts nor on padding.

    Args:
        model: A `Transformer` with a scalar head.
        texts: Token ids, the end of turn included; at least one each.
        rows: Texts that are scored at once, of similar length.
    """
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    device, scores = model.head.weight.device, [0.0] * len(texts)
    for start in range(0, len(order), rows):
        here = order[start : start + rows]
        longest = len(texts[here[-1]])
        tokens = torch.zeros(len(here), longest, dtype=torch.int64)
        for row, index in enumerate(here):
            tokens[row, : len(texts[index])] = torch.tensor(texts[index])  # padding follows, where nothing looks
        last = torch.tensor([len(texts[index]) - 1 for index in here])
        documents = None if longest <= model.context else torch.zeros_like(tokens, device=device)  # by a token or so
        hidden = model.hidden(tokens.to(device), documents)[torch.arange(len(here)), last.to(device)]
        for index, score in zip(here, model.head(hidden)[:, 0].tolist(), strict=True):
            scores[index] = score
    return scores

"""The contract between data and objective: a model can be trained on whatever fills these fields.

Legend: B rows  T tokens a row  P most pairs of a row of the batch  E most labelled answers of a row of the batch
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

    def texts(self) -> tuple[Tensor, Tensor]:
        """Return the texts of the rows, for what is a mean over texts: where they are, and their weights in the loss.

        A text is a document, or a row where documents are not separated.

        Returns:
            The number of each token's text, B T, -1 for padding; and the loss weights of each text, U, whose sum over a
            step is `denominator`.
        """
        per_row = 1 if self.documents is None else max(1, int(self.documents.max()) + 1)
        numbers = self.numbered(per_row)
        weights = self.supervised.float() if self.loss_weights is None else self.loss_weights
        read = numbers >= 0
        return numbers, weights.new_zeros(len(numbers) * per_row).index_add(0, numbers[read], weights[read])

    def numbered(self, per_row: int) -> Tensor:
        """Return the number of each token's document among `per_row` documents of each row, B T; -1 for padding."""
        own = torch.zeros_like(self.tokens) if self.documents is None else self.documents
        rows = torch.arange(len(own), device=own.device)[:, None]
        return torch.where(own >= 0, rows * per_row + own, -1)

    @classmethod
    def outline(cls, rows: int, row_tokens: int, *, targets: int, separate_documents: bool) -> "Batch":
        """A batch of shapes, for estimates on tensors without memory.

        `supervised` is a pair of indices, because the count of a mask is not in its shape.

        Args:
            rows: Rows of the batch.
            row_tokens: Tokens of each.
            targets: Supervised targets of the batch.
            separate_documents: Whether documents in a row are masked from each other.
        """
        tokens = torch.zeros(rows, row_tokens, dtype=torch.int64)
        places = torch.arange(targets)
        return cls(
            tokens=tokens,
            targets=tokens,
            supervised=(places // row_tokens, places % row_tokens),
            denominator=float(targets),
            documents=tokens if separate_documents else None,
        )


@dataclass
class LabelledBatch(Batch):
    """Rows of answers, each labelled desirable or not: document e of a row is its e-th answer, after its prompt."""

    example: Tensor | None = None  # B E  int64, number of the answer among all of the run, to look it up; -1: none
    desirable: Tensor | None = None  # B E  bool, False where there is none
    reference: Tensor | None = None  # B E  float32, log-probability of the answer by the reference model, if known

    def texts(self) -> tuple[Tensor, Tensor]:
        return self.numbered(self.example.shape[1]), (self.example >= 0).flatten().float()

    def labelled(self) -> "LabelledBatch":
        """The batch itself; pairs return theirs as answers."""
        return self

    @classmethod
    def outline(cls, rows: int, row_tokens: int, *, targets: int, separate_documents: bool) -> "LabelledBatch":
        batch = super().outline(rows, row_tokens, targets=targets, separate_documents=True)
        numbers = torch.zeros(rows, 1, dtype=torch.int64)
        return replace(batch, example=numbers, desirable=numbers.bool(), reference=numbers.float())


@dataclass
class PreferenceBatch(Batch):
    """Rows of pairs: documents 2p and 2p + 1 of a row are the chosen and the rejected side of its p-th pair.

    Each side begins with the prompt, and `supervised` marks the targets of its answer, the end of turn included. A side
    is within the context, and a row holds at least one pair, so it is twice as wide. `denominator` counts pairs.
    """

    pair: Tensor | None = None  # B P  int64, number of the pair among all of the run, to look it up; -1: none
    margin: Tensor | None = None  # B P  float32, by how much the chosen side is better; 0 where the data do not say
    reference: Tensor | None = None  # B P 2  float32, log-probabilities of both by the reference model, if known

    def texts(self) -> tuple[Tensor, Tensor]:
        halves = (self.pair >= 0).flatten().repeat_interleave(2) / 2  # a pair counts once, and has two sides
        return self.numbered(2 * self.pair.shape[1]), halves

    def labelled(self) -> LabelledBatch:
        """Return the same rows as answers, the chosen ones desirable: answer 2p + s is side s of pair p."""
        sides = torch.arange(2, device=self.pair.device)
        there = self.pair[..., None] >= 0  # B P 1
        shared = {field.name: getattr(self, field.name) for field in fields(Batch)}
        return LabelledBatch(
            **(shared | {"denominator": 2 * self.denominator}),
            example=torch.where(there, 2 * self.pair[..., None] + sides, -1).flatten(1),
            desirable=(there & (sides == 0)).flatten(1),
            reference=None if self.reference is None else self.reference.flatten(1),
        )

    @classmethod
    def outline(cls, rows: int, row_tokens: int, *, targets: int, separate_documents: bool) -> "PreferenceBatch":
        batch = super().outline(rows, row_tokens, targets=targets, separate_documents=True)
        numbers = torch.zeros(rows, 1, dtype=torch.int64)
        return replace(batch, pair=numbers, margin=numbers.float(), reference=torch.zeros(rows, 1, 2))


@dataclass
class PromptBatch(Batch):
    """Prompts to answer, padded on the left; `supervised` marks the position that an answer continues from."""

    prompt: Tensor | None = None  # B  int64, number of each prompt in `Rows.asked`

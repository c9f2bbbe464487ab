"""Rows by index: what a source of rows promises, and the one loop that fills a row with documents.

Legend: T context
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from lm.batch import Batch
from lm.data.packing import Packing

DOCUMENTS = 4  # of an estimated row


@dataclass
class Row:
    """One row, as arrays of length T; `lm.batch.Batch` explains the fields.

    A subclass with more fields names the `Batch` subclass that they are stacked into, and for a field whose length
    differs from row to row what fills up the shorter ones.
    """

    batch: ClassVar[type[Batch]] = Batch
    fill: ClassVar[Mapping[str, float]] = {}
    sides: ClassVar[int] = 1  # documents that begin alike, one after another

    tokens: np.ndarray
    targets: np.ndarray
    supervised: np.ndarray
    documents: np.ndarray | None = None
    kinds: np.ndarray | None = None
    bytes: np.ndarray | None = None
    loss_weights: np.ndarray | None = None

    def heading(self, document: int) -> str:
        """Return what stands before a document where rows are shown; nothing by default."""
        return ""

    def emptied(self) -> "Row":
        """Return the row with nothing supervised and nothing but fill, for a rank that has no row left."""
        filled = {name: np.full_like(getattr(self, name), value) for name, value in self.fill.items()}
        return replace(self, supervised=np.zeros_like(self.supervised), **filled)


class RowSource(ABC):
    """Rows by index. The numbers of every row are known before any row is read, so a run is planned without reading."""

    counts: np.ndarray  # int64 [rows], supervised targets of each row
    batch: type[Batch] = Batch  # what its rows are stacked into

    @abstractmethod
    def row(self, index: int) -> Row:
        """Read a row. A pure function of `index`: data workers call it in any order."""

    def __len__(self) -> int:
        return self.counts.size

    def stacked(self, indices: np.ndarray) -> Row | None:
        """Read many rows at once, with a first axis over them, in less time than one by one.

        Args:
            indices: Their numbers, int64 [rows].

        Returns:
            The fields of all rows, [rows, T] each; None where a source reads its rows one by one.
        """
        return None

    @property
    def is_readable(self) -> bool:
        """Whether `row` gives rows, and not only their numbers are known."""
        return True

    @property
    def amounts(self) -> np.ndarray:
        """What the shares of a mixture count, per row [rows]: supervised targets unless a source says otherwise."""
        return self.counts

    @property
    def loss_weights(self) -> np.ndarray:
        """What each row adds to the denominator of its step's loss [rows]: supervised targets by default."""
        return self.counts

    @property
    def loss_targets(self) -> float:
        """Targets of all rows that take part in the loss, with whatever weight; estimates of cost use it."""
        return float(self.counts.sum())

    def document_names(self, row: int) -> list[str]:
        """Names of the documents in a row, for messages; empty if the source does not know them."""
        return []


class Documents(ABC):
    """Documents by number, read in pieces: what `PackedRows` places in rows."""

    @abstractmethod
    def read(self, document: int, start: int, length: int) -> tuple[np.ndarray, np.ndarray | bool]:
        """Read a piece of a document.

        Returns:
            Its tokens, int64 [length + 1], and which of the last `length` are supervised: bool [length], or one for
            all of them.
        """

    def read_pieces(
        self, documents: np.ndarray, starts: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | bool]:
        """Read many pieces, one after another, as `read` does one.

        Args:
            documents: Document of each piece [pieces].
            starts: Its start in the document [pieces].
            lengths: Its targets [pieces].

        Returns:
            The inputs and the targets of all pieces, int64 [sum of lengths], and which targets are supervised: bool of
            the same length, or one for all of them.
        """
        pieces = zip(documents.tolist(), starts.tolist(), lengths.tolist(), strict=True)
        read = [(*self.read(*piece), piece[2]) for piece in pieces]
        supervised = [np.broadcast_to(np.asarray(marks), length) for _, marks, length in read]
        inputs, targets = ([each[0][part] for each in read] for part in (slice(None, -1), slice(1, None)))
        return np.concatenate(inputs), np.concatenate(targets), np.concatenate(supervised)

    @abstractmethod
    def name(self, document: int) -> str:
        """Name a document as its source does."""

    def supervised_counts(self, packing: Packing) -> np.ndarray:
        """Supervised targets of each row, int64 [rows]: all targets unless the documents say otherwise."""
        return packing.counts


class PackedRows(RowSource):
    """Rows filled with documents as a packing places them: pretraining and instruction tuning share this loop.

    Args:
        documents: Documents to read.
        packing: Which piece of which document stands where.
        padding: Token id that fills the end of a row.
        amounts: What the shares of a mixture count, per row [rows]; supervised targets if omitted.
        separate_documents: Whether each document of a row has its own attention mask and positions.
        kinds: Kind of each document, int64 [documents]; validation reports by kind.
        token_bytes: Bytes of each token id, int64 [vocabulary]; for validation, which measures bits per byte.
        prompt_weight: Loss weight of targets that are not supervised; 0 leaves them out of the loss.
    """

    def __init__(
        self,
        documents: Documents,
        packing: Packing,
        *,
        padding: int,
        amounts: np.ndarray | None = None,
        separate_documents: bool = True,
        kinds: np.ndarray | None = None,
        token_bytes: np.ndarray | None = None,
        prompt_weight: float = 0.0,
    ):
        self.documents, self.packing, self.padding = documents, packing, padding
        self.counts = documents.supervised_counts(packing)
        self.separate_documents, self.kinds, self.token_bytes = separate_documents, kinds, token_bytes
        self.prompt_weight = float(np.float32(prompt_weight))  # batches hold float32, so sums of it are exact
        self._amounts = self.counts if amounts is None else amounts

    @property
    def amounts(self) -> np.ndarray:
        return self._amounts

    @cached_property
    def loss_weights(self) -> np.ndarray:
        if not self.prompt_weight:
            return self.counts
        return self.counts + self.prompt_weight * (self.packing.counts - self.counts)

    def document_names(self, row: int) -> list[str]:
        return [self.documents.name(document) for document, _, _ in self.packing.segments(row)]

    def row(self, index: int) -> Row:
        context = self.packing.context
        tokens, targets = np.full((2, context), self.padding, dtype=np.int64)
        supervised, kinds = np.zeros(context, dtype=bool), np.zeros(context, dtype=np.int64)
        documents = np.full(context, -1, dtype=np.int64)
        end = 0
        for number, (document, start, length) in enumerate(self.packing.segments(index)):
            here, end = slice(end, end + length), end + length
            read, supervised[here] = self.documents.read(document, start, length)
            tokens[here], targets[here], documents[here] = read[:-1], read[1:], number
            if self.kinds is not None:
                kinds[here] = self.kinds[document]
        return self._row(tokens, targets, supervised, documents, kinds)

    def stacked(self, indices: np.ndarray) -> Row:
        packing = self.packing
        firsts = packing.row_offsets[indices]
        pieces = packing.row_offsets[indices + 1] - firsts  # of each row
        numbers = _counted(pieces)  # of each piece in its row
        chosen = np.repeat(firsts, pieces) + numbers
        chosen_documents, lengths = packing.documents[chosen], packing.lengths[chosen].astype(np.int64)
        ends = np.cumsum(lengths)
        row_starts = np.concatenate([[0], ends])[np.cumsum(pieces) - pieces]  # targets in front of each row
        rows = np.repeat(np.arange(len(indices)), pieces)
        offsets = rows * packing.context - row_starts[rows]  # of a target's place from its number
        places = np.arange(int(lengths.sum())) + np.repeat(offsets, lengths)
        shape = (len(indices), packing.context)
        tokens, targets = np.full((2, *shape), self.padding, dtype=np.int64)
        supervised, kinds = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.int64)
        documents = np.full(shape, -1, dtype=np.int64)
        inputs, predicted, marks = self.documents.read_pieces(chosen_documents, packing.starts[chosen], lengths)
        tokens.flat[places], targets.flat[places], supervised.flat[places] = inputs, predicted, marks
        documents.flat[places] = np.repeat(numbers, lengths)
        if self.kinds is not None:
            kinds.flat[places] = np.repeat(self.kinds[chosen_documents], lengths)
        return self._row(tokens, targets, supervised, documents, kinds)

    def _row(
        self, tokens: np.ndarray, targets: np.ndarray, supervised: np.ndarray, documents: np.ndarray, kinds: np.ndarray
    ) -> Row:
        """One row or many, from what stands at each place."""
        # Padding ends a row and no supervised position attends to it, so one document may span the whole row.
        row = Row(tokens, targets, supervised, documents if self.separate_documents else None)
        if self.prompt_weight:
            prompt = np.where(documents >= 0, np.float32(self.prompt_weight), np.float32(0))
            row.loss_weights = np.where(supervised, np.float32(1), prompt)
        if self.token_bytes is not None:
            row.kinds, row.bytes = kinds, np.where(supervised, self.token_bytes[targets], 0)
        return row


def _counted(lengths: np.ndarray) -> np.ndarray:
    """0…n-1 for each n of `lengths`, one after another."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths)


class RowEstimate(RowSource):
    """Rows that are counted or estimated, not read: enough to plan a run, and to time steps on rows of their shape.

    Args:
        rows: How many there are.
        targets: Supervised targets of all rows, spread evenly over them.
        context: Positions of a row; without it and `vocab_size` no row can be made.
        vocab_size: Token ids that a row is filled with.
        amount: What a mixture counts, of all rows; `targets` if omitted.
        loss_targets: Targets that take part in the loss; `targets` if omitted.
        separate_documents: Whether each document of a row has its own attention mask.
        batch: What the rows would be stacked into.
    """

    def __init__(
        self,
        *,
        rows: int,
        targets: int,
        context: int = 0,
        vocab_size: int = 0,
        amount: int | None = None,
        loss_targets: int | None = None,
        separate_documents: bool = True,
        batch: type[Batch] = Batch,
    ):
        per_row = 1 / rows if rows else 0.0
        self.counts = np.broadcast_to(np.float64(targets * per_row), rows)  # takes no memory
        self.context, self.vocab_size, self.separate_documents = context, vocab_size, separate_documents
        self._amounts = self.counts if amount is None else np.broadcast_to(np.float64(amount * per_row), rows)
        self._loss_targets = loss_targets
        self.batch = batch

    @property
    def is_readable(self) -> bool:
        return self.context > 0

    @property
    def amounts(self) -> np.ndarray:
        return self._amounts

    @property
    def loss_targets(self) -> float:
        return super().loss_targets if self._loss_targets is None else float(self._loss_targets)

    def row(self, index: int) -> Row:
        """Make a row of random tokens: of the shape of a row, with as many targets as there are in the mean."""
        assert self.is_readable, "these rows are estimated, not read"
        positions = np.arange(self.context)
        tokens, targets = np.random.default_rng(index).integers(self.vocab_size, size=(2, self.context))
        row = Row(tokens, targets, positions < round(min(self.context, self.counts[index])))
        if self.separate_documents:
            row.documents = positions * DOCUMENTS // self.context
        if self._loss_targets is not None:
            in_loss = positions < round(min(self.context, self._loss_targets / len(self)))
            row.loss_weights = in_loss.astype(np.float32)
        row.kinds, row.bytes = np.zeros_like(positions), row.supervised.astype(np.int64)
        return row


class Concatenated(RowSource):
    """Several sources one after another."""

    def __init__(self, sources: Sequence[RowSource]):
        self.sources = list(sources)
        self.ends = np.cumsum([len(source) for source in self.sources])
        self.counts = np.concatenate([source.counts for source in self.sources])

    @property
    def amounts(self) -> np.ndarray:
        return np.concatenate([source.amounts for source in self.sources])

    @property
    def loss_weights(self) -> np.ndarray:
        return np.concatenate([source.loss_weights for source in self.sources])

    def row(self, index: int) -> Row:
        source = int(np.searchsorted(self.ends, index, side="right"))
        return self.sources[source].row(index - int(self.ends[source]) + len(self.sources[source]))


class Subset(RowSource):
    """Some rows of a source, by index."""

    def __init__(self, source: RowSource, indices: np.ndarray):
        self.source, self.indices, self.batch = source, indices, source.batch
        self.counts = source.counts[indices]

    @property
    def is_readable(self) -> bool:
        return self.source.is_readable

    @property
    def amounts(self) -> np.ndarray:
        return self.source.amounts[self.indices]

    @property
    def loss_weights(self) -> np.ndarray:
        return self.source.loss_weights[self.indices]

    @property
    def loss_targets(self) -> float:
        return self.source.loss_targets * len(self) / len(self.source)

    def document_names(self, row: int) -> list[str]:
        return self.source.document_names(int(self.indices[row]))

    def row(self, index: int) -> Row:
        return self.source.row(int(self.indices[index]))

    def stacked(self, indices: np.ndarray) -> Row | None:
        return self.source.stacked(self.indices[indices])


def evenly_chosen(items: Sequence[str], count: int) -> list[str]:
    """Up to `count` of the items, evenly spaced."""
    return [items[len(items) * number // count] for number in range(count)] if len(items) > count else [*items]


def evenly_spaced(source: RowSource, rows: int | None) -> RowSource:
    """At most `rows` rows of a source, evenly spaced from the first to the last; None keeps all."""
    if rows is None or rows >= len(source):
        return source
    return Subset(source, np.linspace(0, len(source) - 1, rows).round().astype(np.int64))

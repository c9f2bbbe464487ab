"""Rows of pairs and of labelled answers.

Legend: T tokens of a row  P pairs of a row  E labelled answers of a row
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lm.batch import Batch, LabelledBatch, PreferenceBatch
from lm.data.encoded_answers import EncodedAnswers
from lm.data.packing import Packing
from lm.data.row_source import Row, RowSource


@dataclass
class PreferenceRow(Row):
    """Whole pairs one after another; `lm.batch.PreferenceBatch` explains the fields."""

    batch: ClassVar[type[Batch]] = PreferenceBatch
    fill: ClassVar[Mapping[str, float]] = {"pair": -1, "margin": 0.0}

    sides: ClassVar[int] = 2

    pair: np.ndarray | None = None  # P  int64
    margin: np.ndarray | None = None  # P  float32

    def heading(self, document: int) -> str:
        return ("chosen", "rejected")[document % 2]


@dataclass
class LabelledRow(Row):
    """Whole answers one after another; `lm.batch.LabelledBatch` explains the fields."""

    batch: ClassVar[type[Batch]] = LabelledBatch
    fill: ClassVar[Mapping[str, float]] = {"example": -1, "desirable": False}

    example: np.ndarray | None = None  # E  int64
    desirable: np.ndarray | None = None  # E  bool

    def heading(self, document: int) -> str:
        return "desirable" if self.desirable[document] else "undesirable"


class JudgedRows(RowSource):
    """Rows of whole pairs, or of whole labelled answers, as a packing places them; each counts 1 in the loss.

    Args:
        answers: Pairs or labelled answers as tokens.
        packing: Which of them stand in which row; none is cut.
        padding: Token id that fills the end of a row.
        first: Number of the first of them among all of the run.
        kinds: Kind of each, int64 [pairs]; validation reports by kind.
    """

    def __init__(
        self,
        answers: EncodedAnswers,
        packing: Packing,
        *,
        padding: int,
        first: int = 0,
        kinds: np.ndarray | None = None,
    ):
        assert not packing.starts.any(), "a pair is never cut"
        self.answers, self.packing, self.padding, self.first = answers, packing, padding, first
        self.kinds = kinds
        self.batch = PreferenceBatch if answers.paired else LabelledBatch
        self.counts = packing.sums(answers.supervised_targets[packing.documents])
        self._here = np.diff(packing.row_offsets)

    @property
    def amounts(self) -> np.ndarray:
        return self._here

    @property
    def loss_weights(self) -> np.ndarray:
        return self._here

    def document_names(self, row: int) -> list[str]:
        return [self.answers.places[number] for number, _, _ in self.packing.segments(row)]

    def row(self, index: int) -> Row:
        width = self.packing.context
        tokens, targets = np.full((2, width), self.padding, dtype=np.int64)
        supervised, documents = np.zeros(width, dtype=bool), np.full(width, -1, dtype=np.int64)
        numbers = [number for number, _, _ in self.packing.segments(index)]
        end = 0
        for document, text in enumerate(text for number in numbers for text in self.answers.texts_of(number)):
            read, mask = self.answers.read(text)
            here, end = slice(end, end + len(mask)), end + len(mask)
            tokens[here], targets[here], supervised[here], documents[here] = read[:-1], read[1:], mask, document
        named = np.array(numbers, dtype=np.int64)
        kinds = None if self.kinds is None else self._kinds(documents, named)
        shared = (tokens, targets, supervised, documents, kinds)
        if self.answers.paired:
            return PreferenceRow(*shared, pair=self.first + named, margin=self.answers.margins[named])
        return LabelledRow(*shared, example=self.first + named, desirable=self.answers.desirable[named])

    def _kinds(self, documents: np.ndarray, named: np.ndarray) -> np.ndarray:
        """The kind of each target, int64 [T]; 0 where there is padding."""
        return np.where(documents >= 0, self.kinds[named][documents // self.answers.sides], 0)

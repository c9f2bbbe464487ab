"""Rows of pairs and of labelled answers: what each row says beside its tokens.

Legend: P pairs of a row  E labelled answers of a row
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lm.batch import Batch, LabelledBatch, PreferenceBatch
from lm.data.row_source import Row


@dataclass
class PreferenceRow(Row):
    """Whole pairs one after another; `lm.batch.PreferenceBatch` explains the fields."""

    batch: ClassVar[type[Batch]] = PreferenceBatch
    fill: ClassVar[Mapping[str, float]] = {"pair": -1, "margin": 0.0}

    pair: np.ndarray | None = None  # P  int64
    margin: np.ndarray | None = None  # P  float32


@dataclass
class LabelledRow(Row):
    """Whole answers one after another; `lm.batch.LabelledBatch` explains the fields."""

    batch: ClassVar[type[Batch]] = LabelledBatch
    fill: ClassVar[Mapping[str, float]] = {"example": -1, "desirable": False}

    example: np.ndarray | None = None  # E  int64
    desirable: np.ndarray | None = None  # E  bool

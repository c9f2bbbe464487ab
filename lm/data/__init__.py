"""Rows for training: packing, masks, mixtures, and an order that is a function of the seed and the step.

`TrainingData.open` gives `Rows`, `Rows.plan` gives a `DataPlan`, and a `RowDataModule` gives Lightning its loaders.
"""

from lm.data.module import RowDataModule, TrainingData
from lm.data.row_source import Documents, PackedRows, Row, RowSource
from lm.data.rows import DataPlan, Rows

__all__ = ["DataPlan", "Documents", "PackedRows", "Row", "RowDataModule", "RowSource", "Rows", "TrainingData"]

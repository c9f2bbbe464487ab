"""Micro-batch m of step s on rank r, by arithmetic: what every data module loss_weights.

Legend: B rows  T tokens a row
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from lm.batch import Batch
from lm.data.order import Order
from lm.optimizer import Plan


@dataclass
class Row:
    """One row of exactly `context` places, as numpy arrays of length T; see `Batch` for the fields."""

    tokens: np.ndarray
    targets: np.ndarray
    supervised: np.ndarray
    documents: np.ndarray | None = None
    kinds: np.ndarray | None = None
    bytes: np.ndarray | None = None
    loss_weights: np.ndarray | None = None


class RowSource(Protocol):
    """Rows by index. The number of supervised targets of each is known before any of them is read."""

    counts: np.ndarray  # int64 [rows], supervised targets of each row

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...


def collate(rows: Sequence[Row], *, denominator: float) -> Batch:
    """Stack rows into a batch."""

    def stack(field: str) -> torch.Tensor | None:
        values = [getattr(row, field) for row in rows]
        return None if values[0] is None else torch.from_numpy(np.stack(values))

    return Batch(
        tokens=stack("tokens"),
        targets=stack("targets"),
        supervised=stack("supervised"),
        denominator=denominator,
        documents=stack("documents"),
        kinds=stack("kinds"),
        bytes=stack("bytes"),
        loss_weights=stack("loss_weights"),
    )


class TrainingBatches(Dataset):
    """Item i is the i-th micro-batch this rank will ever see; workers hold no state of their own.

    Row j of a global batch goes to micro-batch j // (rows × ranks) and there to rank (j // rows) % ranks. `weights` is
    what each row of each source adds to the denominator; None: its supervised targets.
    """

    def __init__(
        self,
        sources: Sequence[RowSource],
        order: Order,
        plan: Plan,
        *,
        rank: int,
        weights: Sequence[np.ndarray] | None = None,
    ):
        self.sources = list(sources)
        self.weights = [source.counts for source in self.sources] if weights is None else list(weights)
        self.order = order
        self.plan = plan
        self.rank = rank

    def __len__(self) -> int:
        return self.plan.steps * self.plan.accumulate

    def __getitem__(self, index: int) -> Batch:
        step, micro = divmod(index, self.plan.accumulate)
        sources, rows = self.global_batch(step)
        weight = sum(float(self.weights[source][rows[sources == source]].sum()) for source in np.unique(sources))
        chosen = [self.sources[source].row(row) for source, row in self.micro_batch(step, micro)]
        return collate(chosen, denominator=weight or 1.0)

    def micro_batch(self, step: int, micro: int) -> list[tuple[int, int]]:
        """(source, row) of this rank's rows."""
        sources, rows = self.global_batch(step)
        size = self.plan.rows_per_device
        here = slice((micro * self.plan.devices + self.rank) * size, (micro * self.plan.devices + self.rank + 1) * size)
        return [*zip(sources[here].tolist(), rows[here].tolist(), strict=True)]

    def global_batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(source, row) of every row of step `step`, whatever the ranks and micro-batches."""
        start = step * self.plan.rows_per_step
        return self.order.rows(start, start + self.plan.rows_per_step)


class ValidationBatches(Dataset):
    """Every row once, in order, dealt out over the ranks; ranks that run out repeat row 0 unsupervised."""

    def __init__(self, source: RowSource, *, rows: int, rank: int, ranks: int):
        self.source, self.rows, self.rank, self.ranks = source, rows, rank, ranks

    def __len__(self) -> int:
        return -(-len(self.source) // (self.rows * self.ranks))

    def __getitem__(self, index: int) -> Batch:
        start = (index * self.ranks + self.rank) * self.rows
        rows = [self.source.row(i) for i in range(start, min(start + self.rows, len(self.source)))]
        if not rows:
            rows = [self.source.row(0)]
            rows[0].supervised = np.zeros_like(rows[0].supervised)
        return collate(rows, denominator=float(max(1, sum(int(row.supervised.sum()) for row in rows))))


class ResumeSampler(Sampler[int]):
    """Indices from `start` on, under the length of the whole: Lightning adds what was fetched before itself."""

    def __init__(self, start: int, total: int):
        self.start, self.total = start, total

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.total))

    def __len__(self) -> int:
        return self.total

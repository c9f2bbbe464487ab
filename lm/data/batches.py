"""Micro-batch m of step s on rank r, by arithmetic: the loaders of every kind of data share these datasets.

Legend: B rows  T tokens a row
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lm.batch import Batch
from lm.data.order import Order
from lm.data.row_source import Row, RowSource
from lm.optimizer import Plan


def collate(rows: Sequence[Row], *, denominator: float) -> Batch:
    """Stack rows into the batch of their class: each field becomes the batch's field of the same name, [B, …].

    A field that the class fills is as long as the longest of the rows.
    """
    fill = rows[0].fill

    def stack(field: str) -> torch.Tensor | None:
        values = [getattr(row, field) for row in rows]
        if values[0] is None:
            return None
        if field in fill:
            longest = max(len(value) for value in values)
            values = [_filled(value, longest, fill[field]) for value in values]
        return torch.from_numpy(np.stack(values))

    return rows[0].batch(denominator=denominator, **{field.name: stack(field.name) for field in fields(rows[0])})


def _filled(values: np.ndarray, length: int, fill: float) -> np.ndarray:
    room = [(0, length - len(values)), *[(0, 0)] * (values.ndim - 1)]
    return np.pad(values, room, constant_values=fill)


class TrainingBatches(Dataset):
    """Item i is the i-th micro-batch that this rank sees in the run. Workers hold nothing but the last step's rows.

    Row j of a global batch goes to micro-batch j // (rows × ranks), and there to rank (j // rows) % ranks.

    Args:
        sources: Sources of rows, in the order that `order` numbers them.
        order: Which rows make up each global batch.
        plan: Steps, rows and ranks of the run.
        rank: Index of this rank among those that read different rows.
    """

    def __init__(self, sources: Sequence[RowSource], order: Order, plan: Plan, *, rank: int):
        self.sources = list(sources)
        self.loss_weights = [source.loss_weights for source in self.sources]
        self.order = order
        self.plan = plan
        self.rank = rank
        self._last = (-1, np.empty(0), np.empty(0), 0.0)  # step, its (source, row), and its denominator

    def __len__(self) -> int:
        return self.plan.steps * self.plan.accumulate

    def __getitem__(self, index: int) -> Batch:
        step, micro = divmod(index, self.plan.accumulate)
        _, _, denominator = self._global_batch(step)
        rows = [self.sources[source].row(row) for source, row in self.micro_batch(step, micro)]
        return collate(rows, denominator=denominator or 1.0)

    def micro_batch(self, step: int, micro: int) -> list[tuple[int, int]]:
        """(source, row) of this rank's rows."""
        sources, rows, _ = self._global_batch(step)
        size = self.plan.rows_per_device
        here = slice((micro * self.plan.devices + self.rank) * size, (micro * self.plan.devices + self.rank + 1) * size)
        return [*zip(sources[here].tolist(), rows[here].tolist(), strict=True)]

    def _global_batch(self, step: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Source and row of each row of a step over all ranks and micro-batches, and the sum of their loss weights."""
        if self._last[0] != step:
            start = step * self.plan.rows_per_step
            sources, rows = self.order.rows(start, start + self.plan.rows_per_step)
            weights = (self.loss_weights[source][rows[sources == source]].sum() for source in np.unique(sources))
            self._last = (step, sources, rows, sum(map(float, weights)))
        return self._last[1:]


class ValidationBatches(Dataset):
    """Every row once, in order, dealt out over the ranks; a rank that runs out repeats row 0 unsupervised.

    Args:
        source: Held-out rows.
        rows: Rows of a batch.
        rank: Index of this rank among those that read different rows.
        ranks: How many such ranks there are.
    """

    def __init__(self, source: RowSource, *, rows: int, rank: int, ranks: int):
        self.source, self.rows, self.rank, self.ranks = source, rows, rank, ranks

    def __len__(self) -> int:
        return -(-len(self.source) // (self.rows * self.ranks))

    def __getitem__(self, index: int) -> Batch:
        start = (index * self.ranks + self.rank) * self.rows
        rows = [self.source.row(i) for i in range(start, min(start + self.rows, len(self.source)))]
        if not rows:
            rows = [self.source.row(0).emptied()]
        return collate(rows, denominator=float(max(1, sum(int(row.supervised.sum()) for row in rows))))


class ResumeSampler(Sampler[int]):
    """Indices from `start` to the end. Its length is the whole run's: Lightning counts the batches done itself.

    Args:
        start: First index, in micro-batches.
        total: Micro-batches of the whole run.
    """

    def __init__(self, start: int, total: int):
        self.start, self.total = start, total

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.total))

    def __len__(self) -> int:
        return self.total


class PreparedSteps:
    """A loader whose micro-batches are prepared a whole optimizer step at a time, in the training process.

    Args:
        loader: Micro-batches from the first one of a step on.
        prepare: Called with the micro-batches of each step when its first one is asked for; returns as many.
        micro_batches: Micro-batches of a step.
    """

    def __init__(self, loader: DataLoader, prepare: Callable[[list[Batch]], list[Batch]], *, micro_batches: int):
        self.loader, self.prepare, self.micro_batches = loader, prepare, micro_batches

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.loader)
        while step := [*islice(batches, self.micro_batches)]:
            yield from self.prepare(step)

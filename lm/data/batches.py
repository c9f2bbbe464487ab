"""Micro-batch m of step s on rank r, by arithmetic: the loaders of every kind of data share these datasets.

Legend: B rows  T tokens a row
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lm.batch import Batch
from lm.data.order import Order
from lm.data.row_source import Row, RowSource
from lm.optimizer import Plan

ORDERED = 4096  # rows whose order is computed at once, at least those of a step: few arrays cost as much as long ones
TOGETHER, MOST = 2**16, 64  # targets and micro-batches that are read at once, where rows can be


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
    """Item i is the i-th micro-batch that this rank sees in the run.

    It holds which rows a few steps read, and micro-batches that `following` has read ahead.

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
        self._ordered = (range(0), np.empty(0), np.empty(0))  # a few steps, and the (source, row) of their rows
        self._last = (-1, np.empty(0), np.empty(0), 0.0)  # step, its (source, row), and its denominator
        self._ahead: tuple[range, list[Batch]] = (range(0), [])  # micro-batches that `following` has read
        self._one_by_one = False  # whether a source cannot read rows together

    def __len__(self) -> int:
        return self.plan.steps * self.plan.accumulate

    def __getitem__(self, index: int) -> Batch:
        step, micro = divmod(index, self.plan.accumulate)
        _, _, denominator = self._global_batch(step)
        rows = [self.sources[source].row(row) for source, row in self.micro_batch(step, micro)]
        return collate(rows, denominator=denominator or 1.0)

    def following(self, index: int) -> Batch:
        """Return item `index`, and read those after it in the same moment, where that is faster: for a loop over all.

        The fields are views of larger tensors.
        """
        if self._one_by_one:
            return self[index]
        if index not in self._ahead[0]:
            count = min(MOST, max(1, TOGETHER // max(1, self.plan.rows_per_device * self.plan.row_tokens)))
            numbers = range(index, max(index + 1, min(index + count, len(self))))
            read = self._read(numbers)
            if read is None:
                self._one_by_one = True
                return self[index]
            self._ahead = (numbers, read)
        numbers, batches = self._ahead
        return batches[index - numbers.start]

    def _read(self, numbers: range) -> list[Batch] | None:
        """Several micro-batches, their rows read together; None if their sources read one by one or have other rows."""
        places = [divmod(number, self.plan.accumulate) for number in numbers]
        denominators = [self._global_batch(step)[2] or 1.0 for step, _ in places]
        chosen = [np.stack(self._rows_of(*place)) for place in places]
        sources, rows = np.concatenate(chosen, axis=1)
        read = {int(source): self.sources[source].stacked(rows[sources == source]) for source in np.unique(sources)}
        if any(type(each) is not Row for each in read.values()):
            return None
        merged = {}
        for field in fields(Row):
            parts = {source: getattr(each, field.name) for source, each in read.items()}
            missing = {part is None for part in parts.values()}
            if len(missing) > 1:
                return None
            merged[field.name] = None if missing == {True} else _merged(parts, sources)
        size = self.plan.rows_per_device
        tensors = {name: None if part is None else torch.from_numpy(part).split(size) for name, part in merged.items()}
        return [
            Batch(denominator=denominator, **{name: part and part[number] for name, part in tensors.items()})
            for number, denominator in enumerate(denominators)
        ]

    def micro_batch(self, step: int, micro: int) -> list[tuple[int, int]]:
        """(source, row) of this rank's rows."""
        sources, rows = self._rows_of(step, micro)
        return [*zip(sources.tolist(), rows.tolist(), strict=True)]

    def _rows_of(self, step: int, micro: int) -> tuple[np.ndarray, np.ndarray]:
        sources, rows, _ = self._global_batch(step)
        size = self.plan.rows_per_device
        here = slice((micro * self.plan.devices + self.rank) * size, (micro * self.plan.devices + self.rank + 1) * size)
        return sources[here], rows[here]

    def _global_batch(self, step: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Source and row of each row of a step over all ranks and micro-batches, and the sum of their loss weights."""
        if self._last[0] != step:
            sources, rows = self._order_of(step)
            weights = (self.loss_weights[source][rows[sources == source]].sum() for source in np.unique(sources))
            self._last = (step, sources, rows, sum(map(float, weights)))
        return self._last[1:]

    def _order_of(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Source and row of each row of a step."""
        size = self.plan.rows_per_step
        if step not in self._ordered[0]:
            count = max(1, ORDERED // size)
            first = step - step % count
            steps = range(first, max(step + 1, min(first + count, self.plan.steps)))  # a mixture ends with its run
            self._ordered = (steps, *self.order.rows(steps.start * size, steps.stop * size))
        steps, sources, rows = self._ordered
        here = slice((step - steps.start) * size, (step - steps.start + 1) * size)
        return sources[here], rows[here]


def _merged(parts: Mapping[int, np.ndarray], sources: np.ndarray) -> np.ndarray:
    """The rows of several sources, each in order, at the places that `sources` gives them."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    first = next(iter(parts.values()))
    whole = np.empty((len(sources), *first.shape[1:]), dtype=first.dtype)
    for source, part in parts.items():
        whole[sources == source] = part
    return whole


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


class InProcess:
    """A loader that reads micro-batches in the training process, from `start` on; its length is the whole run's.

    A DataLoader without workers does the same, at 0.1 ms a micro-batch, one at a time.

    Args:
        batches: All micro-batches of this rank.
        start: First micro-batch.
    """

    def __init__(self, batches: TrainingBatches, *, start: int):
        self.batches, self.start = batches, start

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.batches.following, range(self.start, len(self.batches)))


class PreparedSteps:
    """A loader whose micro-batches are prepared a whole optimizer step at a time, in the training process.

    Args:
        loader: Micro-batches from the first one of a step on.
        prepare: Called with the micro-batches of each step when its first one is asked for; returns as many.
        micro_batches: Micro-batches of a step.
    """

    def __init__(
        self, loader: DataLoader | InProcess, prepare: Callable[[list[Batch]], list[Batch]], *, micro_batches: int
    ):
        self.loader, self.prepare, self.micro_batches = loader, prepare, micro_batches

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.loader)
        while step := [*islice(batches, self.micro_batches)]:
            yield from self.prepare(step)

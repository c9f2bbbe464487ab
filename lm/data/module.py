"""The `data` of a config, which opens rows, and the adapter that gives Lightning the loaders of a plan."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from multiprocessing import get_start_method

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from lm.batch import Batch
from lm.data.batches import InProcess, PreparedSteps, ResumeSampler, ValidationBatches, collate
from lm.data.row_source import RowSource
from lm.data.rows import DataPlan, Rows
from lm.process.ranks import data_share
from lm.process.signal_support import SIGNALS
from lm.tokenizer import Tokenizer


class TrainingData(ABC):
    """What a config calls `data`: it opens rows for training and validation.

    Args:
        workers: Processes that read rows ahead of training, per rank; 0 reads them in the training process.
    """

    def __init__(self, *, workers: int = 0):
        self.workers = workers

    @abstractmethod
    def open(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        """Open the rows, of `row_tokens(context)` tokens each."""

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        """Estimate the rows that `open` returns, without reading the data where possible, for a dry run."""
        return self.open(tokenizer=tokenizer, context=context)

    def row_tokens(self, context: int) -> int:
        """Return the width of a row for a model of `context`: the context, or a multiple of it."""
        return context

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the data, for the run's manifest."""


class RowDataModule(LightningDataModule):
    """Give Lightning the loaders of a plan. Training resumes at the trainer's step: the plan has no other state.

    Args:
        data_plan: Which rows each step reads.
        workers: Processes that read rows ahead of training, per rank.
        prepare: Called with all micro-batches of an optimizer step before the first of them is trained, and returns as
            many; see `Objective.prepare_step`. None reads one micro-batch at a time.
    """

    def __init__(
        self,
        data_plan: DataPlan,
        *,
        workers: int = 0,
        prepare: Callable[[list[Batch]], list[Batch]] | None = None,
    ):
        super().__init__()
        self.data_plan, self.workers, self.prepare = data_plan, workers, prepare

    def train_dataloader(self) -> DataLoader | InProcess | PreparedSteps:
        """This rank's micro-batches from the trainer's current step to the end of the run."""
        ranks, rank = data_share(self.trainer)
        plan = self.data_plan.plan
        assert ranks == plan.devices, f"planned for {plan.devices} ranks, dealt to {ranks}"
        batches, start = self.data_plan.training_batches(rank), self.trainer.global_step * plan.accumulate
        pinned = self.trainer.strategy.root_device.type == "cuda"
        here = not (self.workers or pinned)
        loader = InProcess(batches, start=start) if here else self._loader(batches, start=start)
        return loader if self.prepare is None else PreparedSteps(loader, self._prepared, micro_batches=plan.accumulate)

    def val_dataloader(self) -> DataLoader | list:
        """The held-out rows of this rank."""
        validation = self.data_plan.rows.validation
        if validation is None:
            return []
        ranks, rank = data_share(self.trainer)
        rows = self.data_plan.plan.rows_per_device
        return self._loader(ValidationBatches(validation, rows=rows, rank=rank, ranks=ranks), start=0)

    def every_row(self, rows: int, *, share: tuple[int, int] = (1, 0)) -> dict[str, Iterator[Batch]]:
        """Return batches with every row of the training set and of the held-out set once, in order, by `training` and
        `validation`.

        Args:
            rows: Rows of a batch.
            share: Number of ranks that divide the rows, and the index of this one.
        """
        ranks, rank = share
        opened = self.data_plan.rows
        sets = {"training": [*opened.sources.values()]}
        sets |= {} if opened.validation is None else {"validation": [opened.validation]}

        def batches(sources: list[RowSource]) -> Iterator[Batch]:
            for source in sources:
                mine = range(rank, len(source), ranks)
                for start in range(0, len(mine), rows):
                    yield collate([source.row(i) for i in mine[start : start + rows]], denominator=1.0)

        return {name: batches(sources) for name, sources in sets.items()}

    def _prepared(self, batches: list[Batch]) -> list[Batch]:
        """Prepare the micro-batches of a step on the device, in the precision of the run."""
        precision, device = self.trainer.precision_plugin, self.trainer.strategy.root_device
        here = [precision.convert_input(batch).to(device, non_blocking=True) for batch in batches]
        with torch.no_grad(), precision.forward_context():
            prepared = self.prepare(here)
        assert len(prepared) == len(batches), "as many micro-batches as were given"
        return prepared

    def _loader(self, batches: Dataset, *, start: int) -> DataLoader:
        return DataLoader(
            batches,
            batch_size=None,  # items are batches already
            sampler=ResumeSampler(start, len(batches)),
            num_workers=self.workers,
            worker_init_fn=_ignore_signals,
            persistent_workers=self.workers > 0 and get_start_method() != "fork",  # others start in seconds
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )


def _ignore_signals(worker: int) -> None:
    """Ignore signals that a terminal or Slurm sends to every process of a run; the training process stops its workers.

    A worker that dies of such a signal ends the run before it saves.
    """
    for number in (signal.SIGINT, *SIGNALS):
        signal.signal(number, signal.SIG_IGN)

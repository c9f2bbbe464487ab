"""What pretraining and instruction data share: sources of rows, an order over them, loaders without state."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from lm.conversation import Template
from lm.data.account import account, planned
from lm.data.batches import ResumeSampler, RowSource, TrainingBatches, ValidationBatches
from lm.data.mixture import Mixture
from lm.data.order import Order
from lm.data.portions import Portion, epoch_limits, portions, redistribute_excess
from lm.data.show import show_rows
from lm.optimizer import Plan
from lm.process.ranks import data_share
from lm.tokenizer import Tokenizer

SHOWN = 8  # rows of a step, where what it read is told


class RowDataModule(LightningDataModule, ABC):
    """Rows for training and validation. A subclass opens its sources; the rest is the same for all.

    With a `mixture` each source has a share and epochs of its own; without one, all rows are shuffled together, every
    row once an epoch. `max_epochs`, for all sources or by name, caps how often one is repeated, since repeating beyond
    about four epochs teaches little (Muennighoff et al. 2023): a budget that asks for more is refused, or with `excess`
    spread over the other sources. No row is then read more than ceil(max_epochs) times.
    """

    tokenizer: Tokenizer
    sources: dict[str, RowSource]  # for training, by name
    validation: RowSource | None
    kinds: list[str]  # names of what validation is told apart by
    template: Template | None = None  # in which conversations are written
    left_out: dict[str, dict[str, int]] = {}  # noqa: RUF012  by source: what of it cannot be learned from, counted
    separate: bool = True  # whether documents in a row are told apart

    def __init__(
        self,
        *,
        mixture: Mixture | None,
        max_epochs: float | dict[str, float] | None,
        excess: Literal["refuse", "spread"],
        workers: int,
    ):
        super().__init__()
        if excess == "spread" and mixture is None:
            raise ValueError(
                "data.excess=spread gives sources shares of their own, so it needs a mixture: try "
                "data/mixture=temperature data.mixture.temperature=1, which is in proportion to what there is"
            )
        self.mixture, self.max_epochs, self.excess, self.workers = mixture, max_epochs, excess, workers
        self.plan: Plan | None = None
        self.order: Order | None = None
        self.portions: list[Portion] = []  # of the mixture, as arranged

    @abstractmethod
    def open(self, *, tokenizer: Tokenizer, context: int) -> None:
        """Open the sources for rows of `context` tokens."""

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> str:
        """Count the rows that `open` would find, without reading them where that can be; say how they are known."""
        self.open(tokenizer=tokenizer, context=context)
        return "read"

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of what is read, for the run's manifest."""

    @abstractmethod
    def amounts(self, source: RowSource) -> np.ndarray:
        """How much each row of a source holds of what the shares of a mixture count, int64."""

    def documents(self, source: RowSource, row: int) -> list[str]:
        """What the documents of a row are called; none where that is not known."""
        return []

    def contents(self, step: int, parts: Sequence[tuple[int, int]] | None = None) -> str:
        """What a step (from 1) reads, or only (micro-batch, rank) of it: `rows code 3 (a.py, b.py), code 7 (c.py)`."""
        names, found = [*self.sources], []
        if parts is None:
            parts = [(micro, rank) for micro in range(self.plan.accumulate) for rank in range(self.plan.devices)]
        for micro, rank in parts:
            batches = TrainingBatches([*self.sources.values()], self.order, self.plan, rank=rank)
            for source, row in batches.micro_batch(step - 1, micro):
                documents = ", ".join(self.documents(batches.sources[source], row))
                found.append(f"{names[source]} {row}" + (f" ({documents})" if documents else ""))
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return f"rows {', '.join(found[:SHOWN])}{more}"

    def weights(self, source: RowSource) -> np.ndarray:
        """How much each row of a source adds to what the loss of its step is divided by."""
        return source.counts

    def scored(self, source: RowSource) -> float:
        """How many targets of a source, as sketched, have a part in the loss."""
        return float(source.counts.sum())

    @property
    def rows(self) -> int:
        """Training rows of all sources."""
        return sum(len(source) for source in self.sources.values())

    def show(self, rows: int) -> None:
        """Print some rows of each source, with what is supervised marked."""
        for source in self.sources.values():
            show_rows(source, rows, self.tokenizer)

    def arrange(self, plan: Plan, *, seed: int) -> None:
        """Fix the order of the whole run, and refuse one that repeats a source beyond its cap."""
        sizes = {name: len(source) for name, source in self.sources.items()}
        limits = epoch_limits(self.max_epochs, [*sizes])
        self.plan, self.portions = plan, []
        if self.mixture is not None:
            amounts = self._amounts()
            stages = self.mixture.divide(amounts, key="data.mixture")
            self.portions = portions(stages, plan, sizes=sizes, amounts=amounts)
            if self.excess == "spread":
                self.portions = redistribute_excess(self.portions, limits, sizes=sizes)
        stages = [(part.rows, part.shares) for part in self.portions]
        self.order = Order(seed, [*sizes.values()], stages=stages or None)
        epochs = dict(zip(sizes, self.order.epochs(plan.steps * plan.rows_per_step), strict=True))
        over = [name for name, limit in limits.items() if epochs[name] > limit]
        if over:
            caps = f"={self.max_epochs:g}" if isinstance(self.max_epochs, int | float) else ""
            told = ", ".join(f"{name} {epochs[name]:.2f} times" for name in over)
            raise ValueError(
                f"data.max_epochs{caps}: the budget would read {told}; lower the budget or the source's share, raise "
                "data.max_epochs, or let other sources of a mixture have what is over: data.excess=spread"
            )

    def planned(self) -> list[str]:
        """A line for each stage of a mixture: shares and epochs by source."""
        sizes = {name: len(source) for name, source in self.sources.items()}
        return [*planned(self.order, self.portions, sizes=sizes, amounts=self._amounts())]

    def account(self, steps: int) -> dict[str, dict]:
        """What that many steps have read of each source; see `account`."""
        found = account(
            self.order,
            self.portions,
            rows=steps * self.plan.rows_per_step,
            tokens={name: source.counts for name, source in self.sources.items()},
            amounts={name: self.amounts(source) for name, source in self.sources.items()},
        )
        return {**found, "left_out": self.left_out} if self.left_out else found

    def _amounts(self) -> dict[str, int]:
        return {name: round(float(self.amounts(source).sum())) for name, source in self.sources.items()}

    def train_dataloader(self) -> DataLoader:
        """This rank's micro-batches from the trainer's present step to the end of the run."""
        assert self.plan is not None, "arrange() first"
        ranks, rank = data_share(self.trainer)
        assert ranks == self.plan.devices, f"planned for {self.plan.devices} ranks, dealt to {ranks}"
        sources = list(self.sources.values())
        weights = [self.weights(source) for source in sources]
        batches = TrainingBatches(sources, self.order, self.plan, rank=rank, weights=weights)
        return self._loader(batches, start=self.trainer.global_step * self.plan.accumulate)

    def val_dataloader(self) -> DataLoader | list:
        """The held-out rows."""
        if self.validation is None:
            return []
        ranks, rank = data_share(self.trainer)
        rows = self.plan.rows_per_device
        return self._loader(ValidationBatches(self.validation, rows=rows, rank=rank, ranks=ranks), start=0)

    def _loader(self, batches, *, start: int) -> DataLoader:
        return DataLoader(
            batches,
            batch_size=None,  # items are batches already
            sampler=ResumeSampler(start, len(batches)),
            num_workers=self.workers,
            worker_init_fn=_unmoved,
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )


def _unmoved(worker: int) -> None:
    """Let signals pass that come to all processes of a run, as in a terminal or from Slurm: training ends its workers.

    One that dies of such a signal takes the run with it before it has saved.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)

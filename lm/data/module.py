"""What pretraining and instruction data share: sources of rows, an order over them, loaders without state."""

from abc import ABC, abstractmethod

import numpy as np
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from lm.budget import Plan
from lm.data.batches import From, RowSource, TrainingBatches, ValidationBatches
from lm.data.order import Order
from lm.data.show import show_rows
from lm.tokenizer import Tokenizer


class RowDataModule(LightningDataModule, ABC):
    """Rows for training and validation. A subclass opens its sources; the rest is the same for all.

    `weights` are shares of *tokens* by source name, or None: every row once an epoch. `max_epochs` caps how often
    any source may be repeated, since repeating beyond about four epochs teaches little (Muennighoff et al. 2023).
    """

    tokenizer: Tokenizer
    sources: dict[str, RowSource]  # for training, by name
    validation: RowSource | None
    kinds: list[str]  # names of what validation is told apart by
    separate: bool = True  # whether documents in a row are told apart

    def __init__(self, *, weights: dict[str, float] | None, max_epochs: float | None, workers: int):
        super().__init__()
        self.weights, self.max_epochs, self.workers = weights, max_epochs, workers
        self.plan: Plan | None = None
        self.order: Order | None = None

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
        sizes = [len(source) for source in self.sources.values()]
        self.plan, self.order = plan, Order(seed, sizes, weights=self._row_shares())
        epochs = dict(zip(self.sources, self.order.epochs(plan.steps * plan.rows_per_step), strict=True))
        over = {name: n for name, n in epochs.items() if self.max_epochs is not None and n > self.max_epochs}
        if over:
            told = ", ".join(f"{name} {count:.2f} times" for name, count in over.items())
            raise ValueError(
                f"data.max_epochs={self.max_epochs:g}: the budget would read {told}; "
                "lower the budget or the source's weight, or raise data.max_epochs"
            )

    def _row_shares(self) -> list[float] | None:
        """Weights in tokens as shares in rows: what a row of each source holds on average is divided out."""
        if self.weights is None:
            return None
        unknown = sorted(set(self.weights) - set(self.sources))
        if unknown:
            raise ValueError(f"data.weights.{unknown[0]}: no such source; there are {', '.join(self.sources)}")
        means = {name: float(np.mean(source.counts)) if len(source) else 1.0 for name, source in self.sources.items()}
        equal = max(means.values()) - min(means.values()) < 1e-9 * max(means.values())
        return [self.weights.get(name, 0.0) / (1.0 if equal else means[name]) for name in self.sources]

    def train_dataloader(self) -> DataLoader:
        """This rank's micro-batches from the trainer's present step to the end of the run."""
        assert self.plan is not None, "arrange() first"
        batches = TrainingBatches(list(self.sources.values()), self.order, self.plan, rank=self.trainer.global_rank)
        return self._loader(batches, start=self.trainer.global_step * self.plan.accumulate)

    def val_dataloader(self) -> DataLoader | list:
        """The held-out rows."""
        if self.validation is None:
            return []
        ranks, rank = self.trainer.world_size, self.trainer.global_rank
        rows = self.plan.rows_per_device
        return self._loader(ValidationBatches(self.validation, rows=rows, rank=rank, ranks=ranks), start=0)

    def _loader(self, batches, *, start: int) -> DataLoader:
        return DataLoader(
            batches,
            batch_size=None,  # items are batches already
            sampler=From(start, len(batches)),
            num_workers=self.workers,
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )

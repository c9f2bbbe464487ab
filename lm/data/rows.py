"""Opened data as values: rows of all sources, and the plan by which a run reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lm.conversation import Prompt, Template
from lm.data.batches import TrainingBatches
from lm.data.mixing import Mixing, RowStage
from lm.data.order import Order
from lm.data.row_source import RowSource
from lm.data.show import show_rows
from lm.data.summary import amount_of, describe_stages, summarize
from lm.optimizer import Plan
from lm.tokenizer import Tokenizer

NAMED_ROWS = 8  # rows that a message names before it counts the others


@dataclass(frozen=True)
class Rows:
    """Rows for training and validation, opened or estimated. Nothing here changes; `plan` fixes the order of a run."""

    sources: Mapping[str, RowSource]  # for training, by name
    tokenizer: Tokenizer
    validation: RowSource | None = None  # held out
    kinds: list[str] = field(default_factory=list)  # names of the kinds or tasks that validation reports
    template: Template | None = None  # in which conversations are written
    separate_documents: bool = True  # whether each document of a row has its own attention mask
    mixing: Mixing = field(default_factory=Mixing)
    basis: str = "read"  # how the rows are known: read, counted, or estimated
    prompts: Sequence[str] = ()  # how held-out texts begin, or what is asked first in held-out conversations
    asked: Sequence[Prompt] = ()  # of rows that are prompts: each by the number that its row has
    notes: Sequence[str] = ()  # lines for the user: what was found and what was left out
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # counts of it by source, for the manifest

    def __len__(self) -> int:
        """Training rows of all sources."""
        return sum(len(source) for source in self.sources.values())

    def show(self, rows: int) -> None:
        """Print `rows` rows of each source, with supervised tokens marked."""
        for source in self.sources.values():
            show_rows(source, rows, self.tokenizer)

    def plan(self, plan: Plan, *, seed: int) -> "DataPlan":
        """Fix which rows each step of a run reads.

        Args:
            plan: Steps and rows of the run, as its budget gives them.
            seed: Seed of the order.

        Raises:
            ValueError: The mixture does not fit the sources, or a source would be repeated beyond data.max_epochs.
        """
        sizes = {name: len(source) for name, source in self.sources.items()}
        amounts = {name: amount_of(source) for name, source in self.sources.items()}
        stages = self.mixing.stages(plan, sizes=sizes, amounts=amounts)
        order = Order(seed, [*sizes.values()], stages=[(stage.rows, stage.row_shares) for stage in stages] or None)
        planned = DataPlan(self, plan, order, stages)
        self.mixing.check(planned.epochs)
        return planned


@dataclass(frozen=True)
class DataPlan:
    """Which rows each step of a run reads: a function of config, data and seed alone, the same on every rank."""

    rows: Rows
    plan: Plan
    order: Order
    stages: Sequence[RowStage]  # of the mixture; none where all rows are shuffled together

    @property
    def epochs(self) -> dict[str, float]:
        """How often the whole run reads each source."""
        epochs = self.order.epochs(self.plan.steps * self.plan.rows_per_step)
        return dict(zip(self.rows.sources, epochs, strict=True))

    def training_batches(self, rank: int) -> TrainingBatches:
        """All micro-batches of a rank."""
        return TrainingBatches([*self.rows.sources.values()], self.order, self.plan, rank=rank)

    def describe_stages(self) -> list[str]:
        """One line per stage of the mixture: share and epochs of each source."""
        return [*describe_stages(self.order, self.stages, self.rows.sources)]

    def describe_step(self, step: int, micro_batches: Sequence[tuple[int, int]] | None = None) -> str:
        """Name the rows that a step reads: `rows code 3 (a.py, b.py), code 7 (c.py)`.

        Args:
            step: Step, from 1.
            micro_batches: (micro-batch, rank) pairs of the step; all of them if omitted.
        """
        if micro_batches is None:
            micro_batches = [(m, rank) for m in range(self.plan.accumulate) for rank in range(self.plan.devices)]
        names, items = [*self.rows.sources], []
        for micro, rank in micro_batches:
            batches = self.training_batches(rank)
            for source, row in batches.micro_batch(step - 1, micro):
                documents = ", ".join(batches.sources[source].document_names(row))
                items.append(f"{names[source]} {row}" + (f" ({documents})" if documents else ""))
        more = f" and {len(items) - NAMED_ROWS} more" if len(items) > NAMED_ROWS else ""
        return f"rows {', '.join(items[:NAMED_ROWS])}{more}"

    def summarize(self, steps: int) -> dict[str, dict]:
        """What the first `steps` steps read from each source, and what was left out, for the manifest."""
        summary = summarize(self.order, self.stages, self.rows.sources, rows=steps * self.plan.rows_per_step)
        return {**summary, "left_out": self.rows.left_out} if self.rows.left_out else summary

"""The work of a funnel in phases; the items of a phase are independent of each other and run in any process.

A phase reads its items from what earlier phases left on disk, and skips those that are done. So any number of
processes, on any number of machines that share a directory, write the same files.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from lm.config.faults import errors_at
from lm.filtering.contract import Deduplicator
from lm.filtering.ledger import Ledger
from lm.filtering.pieces import KeysFile, is_written, read_outcome, write_documents, write_json, write_outcome
from lm.filtering.stages import Part, Piece, StageStore
from lm.filtering.traces import apply_filters, group_by_characters


class Phase(ABC):
    """One phase; also a step of a `datatrove` pipeline, which gives each of `world_size` tasks a `rank`.

    Args:
        store: Files of the funnel.
    """

    label: str  # what the phase does, for progress bars
    unit: str  # what an item is

    def __init__(self, store: StageStore):
        self.store = store

    @abstractmethod
    def items(self) -> list[Any]:
        """All items, in an order that never changes."""

    @abstractmethod
    def is_done(self, item: Any) -> bool:
        """Whether the files of an item are written."""

    @abstractmethod
    def run(self, item: Any) -> None:
        """Write the files of an item."""

    def __call__(self, documents: Iterable | None, rank: int, world_size: int) -> Iterator:
        for item in self.items()[rank::world_size]:
            if not self.is_done(item):
                self.run(item)
        yield from documents or ()


class ReadPhase(Phase):
    """Read the inputs and store their documents in pieces.

    Args:
        store: Files of the funnel.
    """

    label, unit = "reading", "part"

    def items(self) -> list[Part]:
        return list(self.store.parts)

    def is_done(self, item: Part) -> bool:
        return is_written(self.store.reading_path(item))

    def run(self, item: Part) -> None:
        source = self.store.parts[item]
        sizes = []
        with errors_at(self.store.key(item.input), source):
            for number, documents in enumerate(group_by_characters(source, self.store.piece)):
                path = self.store.documents_path(Piece(item, number))
                if not is_written(path):
                    write_documents(path, documents)
                sizes.append(len(documents))
        write_json(self.store.reading_path(item), {"documents": sizes, "tally": vars(source.tally)})


class FilterPhase(Phase):
    """Apply consecutive filters to each piece, and write the keys for the deduplicator that follows them.

    Args:
        store: Files of the funnel.
        first: Index of the first filter.
        last: Index after the last filter; the index of the deduplicator, if there is one.
        deduplicator: The step that compares the documents which pass.
    """

    label, unit = "filtering", "piece"

    def __init__(self, store: StageStore, first: int, last: int, deduplicator: Deduplicator | None = None):
        self.store, self.first, self.last, self.deduplicator = store, first, last, deduplicator

    def items(self) -> list[Piece]:
        return self.store.pieces(*(self.store.earlier(self.last) if self.deduplicator else []), *self.store.sources)

    def is_done(self, item: Piece) -> bool:
        keys = self._keys(item)
        return all(map(is_written, self._outcome_paths(item))) and (keys is None or keys.is_written())

    def run(self, item: Piece) -> None:
        store = self.store
        documents = store.documents(item, steps=self.first if store.is_own(item) else 0)
        paths = self._outcome_paths(item)
        written = list(takewhile(is_written, paths))
        for path in written:
            documents = read_outcome(path, documents).apply(documents)
        names = store.names[self.first + len(written) : self.first + len(paths)]
        outcomes = apply_filters({name: store.steps[name] for name in names}, documents)
        for path, outcome in zip(paths[len(written) :], outcomes, strict=True):
            write_outcome(path, outcome, documents)
            documents = outcome.apply(documents)
        if self.deduplicator is not None:
            self._keys(item).write(documents, self.deduplicator)

    def _outcome_paths(self, piece: Piece) -> list[Path]:
        """One path per filter; an earlier corpus is not filtered."""
        steps = range(self.first, self.last) if self.store.is_own(piece) else ()
        return [self.store.outcome_path(step, piece) for step in steps]

    def _keys(self, piece: Piece) -> KeysFile | None:
        return None if self.deduplicator is None else self.store.keys(self.last, piece)


class FinalizePhase(Phase):
    """Write the documents that passed all steps, and the account of each piece.

    Args:
        store: Files of the funnel.
    """

    label, unit = "gathering", "piece"

    def items(self) -> list[Piece]:
        return self.store.pieces()

    def is_done(self, item: Piece) -> bool:
        return is_written(self.store.account_path(item))

    def run(self, item: Piece) -> None:
        traces, ledger = self.store.traces(item), Ledger(self.store.names)
        for trace in traces:
            ledger.add(trace)
        kept = [trace.kept for trace in traces if trace.kept is not None]
        write_documents(self.store.kept_path(item), kept)
        account = {"kept": len(kept), "steps": ledger.steps, "reports": self._reports(item)}
        write_json(self.store.account_path(item), account)

    def _reports(self, piece: Piece) -> dict[str, list[dict]]:
        """Records of the filters that report, on the documents that they dropped or changed."""
        reports: dict[str, list[dict]] = {}
        for number, (name, step) in enumerate(self.store.steps.items()):
            if step.reports:
                documents = self.store.documents(piece, steps=number)
                outcome = read_outcome(self.store.outcome_path(number, piece), documents)
                affected = [documents[index] for index in sorted([*outcome.dropped, *outcome.changed])]
                reports[name] = [{"document": each.id, **record} for each in affected for record in step.report(each)]
        return reports

"""The work of a funnel, in phases: in each, items that are independent of each other, whoever does them.

A phase knows its items once the phase before is over, by what that has left on disk; an item that is done is not done
again. So any number of processes, here or on other machines, with one directory in common, make the same files.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from lm.config.faults import standing_at
from lm.corpus import Document
from lm.filtering.keys import KeysFile
from lm.filtering.ledger import Ledger
from lm.filtering.pieces import is_written, read_outcome, write_documents, write_outcome, write_plain
from lm.filtering.stages import Part, Piece, StageStore
from lm.filtering.traces import Deduplicator, Reporting, judge


class Phase(ABC):
    """Also a step of a pipeline of `datatrove`, which gives each of `world_size` tasks a `rank`."""

    label: str  # what is going on
    unit: str  # of what

    @abstractmethod
    def items(self) -> list[Any]:
        """What there is to do, in an order that never changes."""

    @abstractmethod
    def done(self, item: Any) -> bool:
        """Whether an item is done."""

    @abstractmethod
    def work(self, item: Any) -> None:
        """Do an item."""

    def __call__(self, documents: Iterable | None, rank: int, world_size: int) -> Iterator:
        for item in self.items()[rank::world_size]:
            if not self.done(item):
                self.work(item)
        yield from documents or ()


class Read(Phase):
    """Bring documents into pieces, from which on they are the same, whatever they came from."""

    label, unit = "reading", "part"

    def __init__(self, course: StageStore):
        self.course = course

    def items(self) -> list[Part]:
        return list(self.course.parts)

    def done(self, item: Part) -> bool:
        return is_written(self.course.account_path(item))

    def work(self, item: Part) -> None:
        part = self.course.parts[item]
        sizes = []
        with standing_at(self.course.key(item.reading), part):
            for number, documents in enumerate(cut(part, characters=self.course.piece)):
                path = self.course.documents_path(Piece(item, number))
                if not is_written(path):
                    write_documents(path, documents)
                sizes.append(len(documents))
        write_plain(self.course.account_path(item), {"documents": sizes, "tally": vars(part.tally)})


class FilterPhase(Phase):
    """Apply the filters from `first` on to each piece, up to the `Deduplicator` at `last`, whose keys are written."""

    label, unit = "filtering", "piece"

    def __init__(self, course: StageStore, first: int, last: int, unique: Deduplicator | None):
        self.course, self.first, self.last, self.unique = course, first, last, unique

    def items(self) -> list[Piece]:
        return self.course.pieces(*(self.course.earlier(self.last) if self.unique else []), *self.course.sources)

    def done(self, piece: Piece) -> bool:
        keys = self._keys(piece)
        return all(map(is_written, self._paths(piece))) and (keys is None or keys.is_written())

    def work(self, piece: Piece) -> None:
        course = self.course
        documents = course.documents(piece, steps=self.first if course.is_own(piece) else 0)
        paths = self._paths(piece)
        known = list(takewhile(is_written, paths))
        for path in known:
            documents = read_outcome(path, documents).after(documents)
        names = course.names[self.first + len(known) : self.first + len(paths)]
        outcomes = judge({name: course.steps[name] for name in names}, documents)
        for path, outcome in zip(paths[len(known) :], outcomes, strict=True):
            write_outcome(path, outcome, documents)
            documents = outcome.after(documents)
        if self.unique is not None:
            self._keys(piece).write(documents, self.unique)

    def _paths(self, piece: Piece) -> list[Path]:
        """What the filters make of a piece; those of an earlier corpus are compared as they are."""
        steps = range(self.first, self.last) if self.course.is_own(piece) else ()
        return [self.course.outcome_path(step, piece) for step in steps]

    def _keys(self, piece: Piece) -> KeysFile | None:
        return None if self.unique is None else KeysFile(self.course.keys_path(self.last, piece))


class FinalizePhase(Phase):
    """Gather what is left, and what there is to say of what is not."""

    label, unit = "gathering", "piece"

    def __init__(self, course: StageStore):
        self.course = course

    def items(self) -> list[Piece]:
        return self.course.pieces()

    def done(self, piece: Piece) -> bool:
        return is_written(account_path(self.course.kept_path(piece)))

    def work(self, piece: Piece) -> None:
        path = self.course.kept_path(piece)
        traces, ledger = self.course.traces(piece), Ledger(self.course.names)
        for trace in traces:
            ledger.add(trace)
        kept = [trace.kept for trace in traces if trace.kept is not None]
        write_documents(path, kept)
        write_plain(account_path(path), {"kept": len(kept), "steps": ledger.steps, "reports": self._reports(piece)})

    def _reports(self, piece: Piece) -> dict[str, list[dict]]:
        """What filters that can have to say of the documents they dropped or changed."""
        found: dict[str, list[dict]] = {}
        for number, (name, step) in enumerate(self.course.steps.items()):
            if isinstance(step, Reporting):
                documents = self.course.documents(piece, steps=number)
                outcome = read_outcome(self.course.outcome_path(number, piece), documents)
                places = sorted([*outcome.dropped, *outcome.changed])
                records = ({"document": documents[n].id, **each} for n in places for each in step.report(documents[n]))
                found[name] = list(records)
        return found


def account_path(kept: Path) -> Path:
    """Where it is said what became of a piece whose documents are kept there."""
    return kept.with_name(kept.name.removesuffix(".documents.zst") + ".account.zst")


def cut(documents: Iterable[Document], *, characters: int) -> Iterator[list[Document]]:
    """Documents in pieces that end with the one by which they have so many characters."""
    piece: list[Document] = []
    size = 0
    for document in documents:
        piece.append(document)
        size += len(document.text)
        if size >= characters:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece

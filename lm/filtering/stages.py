"""Where each step of a funnel stores its results, under a name that is the hash of all they were made from.

So a step runs again when it, its code or a step before it changes, and only then; funnels that have the same sources
and first steps share their files.
"""

import inspect
import os
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lm.corpus import Document, Source
from lm.files import hash_bytes, hash_file, hash_json
from lm.filtering.contract import Filter
from lm.filtering.pieces import KeysFile, read_documents, read_json, read_outcome
from lm.filtering.traces import DocumentTrace, Outcome, join_outcomes

LAYOUT = 4  # version of the files; another number rebuilds all of them
PIECE = 4_000_000  # characters of a piece
PART = 32_000_000  # bytes of files of a part, at the least


@dataclass(frozen=True)
class Part:
    """A share of an input that one process reads; `input` is the name of a source or of an earlier corpus."""

    input: str
    number: int


@dataclass(frozen=True)
class Piece:
    """Consecutive documents of a part, filtered and stored together."""

    part: Part
    number: int


class StageStore:
    """The files that the steps of a funnel leave on disk.

    Args:
        directory: Directory that holds a subdirectory for each step and fingerprint.
        sources: Sources by name, in the order of their documents.
        steps: Filters by name, in the order in which they are applied.
    """

    def __init__(self, directory: Path, sources: Mapping[str, Source], steps: Mapping[str, Filter]):
        self.directory, self.sources, self.steps = directory, dict(sources), dict(steps)
        self.names, self.piece = list(steps), PIECE
        earlier = {f"{name}.earlier": step.earlier for name, step in steps.items() if step.earlier}
        self.inputs = self.sources | earlier
        self.parts = {
            Part(name, number): part
            for name, source in self.inputs.items()
            for number, part in enumerate(source.parts(PART))
        }
        own = self.parts_of(*sources)
        state = {part: hash_json([LAYOUT, self.piece, source.fingerprint()]) for part, source in self.parts.items()}
        self._results = [{part: self._directory("read", state[part]) for part in self.parts}]
        self._keys: dict[int, dict[Part, Path]] = {}
        self._clusters: dict[int, Path] = {}
        for number, (name, step) in enumerate(steps.items()):
            settings = [plain_data(step.part), hash_code(step.part)]
            if step.compares:
                compared = (*own, *self.parts_of(*self.earlier(number)))
                keys = {part: hash_json([state[part], settings]) for part in compared}
                self._keys[number] = {part: self._directory(f"{name}.keys", keys[part]) for part in compared}
                clusters = hash_json([*keys.values()])
                self._clusters[number] = self._directory(f"{name}.clusters", clusters)
                state |= {part: hash_json([clusters, position]) for position, part in enumerate(own)}
            else:
                state |= {part: hash_json([state[part], settings]) for part in own}
            self._results.append({part: self._directory(name, state[part]) for part in own})
        self.fingerprint = hash_json([[part.input, state[part]] for part in own] + [[*sources], self.names])
        self.result = self._directory("kept", self.fingerprint)
        self._position = {part: position for position, part in enumerate(own)}

    def earlier(self, step: int) -> list[str]:
        """The name of the earlier corpus that a step compares with, if it has one."""
        name = f"{self.names[step]}.earlier"
        return [name] if name in self.inputs else []

    def parts_of(self, *inputs: str) -> list[Part]:
        """The parts of these inputs, in the order of their documents."""
        return [part for name in inputs for part in self.parts if part.input == name]

    def pieces(self, *inputs: str) -> list[Piece]:
        """The pieces of these inputs, by default of all sources, in order; known once the inputs have been read."""
        return [
            Piece(part, number)
            for part in self.parts_of(*(inputs or self.sources))
            for number in range(len(read_json(self.reading_path(part))["documents"]))
        ]

    def is_own(self, piece: Piece) -> bool:
        """Whether a piece belongs to the sources rather than to an earlier corpus."""
        return piece.part.input in self.sources

    def key(self, name: str) -> str:
        """The config key of an input."""
        return f"corpus.sources.{name}" if name in self.sources else f"corpus.filters.{name}"

    def reading_path(self, part: Part) -> Path:
        """Account of a part that has been read: documents in each piece, and the tally."""
        return self._results[0][part] / "account.zst"

    def documents_path(self, piece: Piece) -> Path:
        """Documents of a piece as read."""
        return self._results[0][piece.part] / f"{piece.number:05d}.documents.zst"

    def outcome_path(self, step: int, piece: Piece) -> Path:
        """Outcome of a step for a piece."""
        return self._results[step + 1][piece.part] / f"{piece.number:05d}.zst"

    def keys(self, step: int, piece: Piece) -> KeysFile:
        """Keys of the documents of a piece."""
        return KeysFile(self._keys[step][piece.part] / f"{piece.number:05d}")

    def clusters_path(self, step: int) -> Path:
        """Directory of the pairs of documents that have a key in common."""
        return self._clusters[step]

    def kept_path(self, piece: Piece) -> Path:
        """Documents of a piece that passed all steps."""
        return self.result / f"{self._name(piece)}.documents.zst"

    def account_path(self, piece: Piece) -> Path:
        """Account of a piece: counts of each step, and reports."""
        return self.result / f"{self._name(piece)}.account.zst"

    def documents(self, piece: Piece, *, steps: int) -> list[Document]:
        """The documents of a piece that passed the first `steps` steps."""
        documents = read_documents(self.documents_path(piece))
        for step in range(steps):
            documents = read_outcome(self.outcome_path(step, piece), documents).apply(documents)
        return documents

    def traces(self, piece: Piece) -> list[DocumentTrace]:
        """The trace of each document of a piece."""
        documents = left = read_documents(self.documents_path(piece))
        outcomes: list[Outcome] = []
        for step in range(len(self.steps)):
            outcomes.append(read_outcome(self.outcome_path(step, piece), left))
            left = outcomes[-1].apply(left)
        return join_outcomes(documents, outcomes)

    def _name(self, piece: Piece) -> str:
        return f"{self._position[piece.part]:05d}-{piece.number:05d}"

    def _directory(self, name: str, fingerprint: str) -> Path:
        return self.directory / f"{name}-{fingerprint[:16]}"


def plain_data(part: Any) -> Any:
    """A configured part as plain data for a fingerprint.

    An object is its class and its parameters, which it keeps as attributes of the same names; a source and a file are
    hashes of their content.
    """
    if isinstance(part, Source):
        return part.fingerprint()
    if isinstance(part, Mapping):
        return {str(key): plain_data(value) for key, value in part.items()}
    if isinstance(part, Set):
        return sorted(map(str, part))
    if isinstance(part, list | tuple):
        return [plain_data(value) for value in part]
    if isinstance(part, str | Path) and len(str(part)) < 4096 and os.path.isfile(part):
        return [str(part), hash_file(part)]
    if part is None or isinstance(part, str | int | float | bool):
        return part
    kind = type(part)
    parameters = {name: plain_data(getattr(part, name)) for name in inspect.signature(kind).parameters}
    return [f"{kind.__module__}.{kind.__qualname__}", parameters]


def hash_code(part: Any) -> str:
    """Hash the code that a filter runs: the file of its class, and all of `lm.filter` and what it learns with."""
    return hash_bytes((_own_filters() + hash_file(inspect.getfile(type(part)))).encode())


@cache
def _own_filters() -> str:
    return "".join(map(hash_file, filter_files()))


def filter_files() -> list[Path]:
    """Every module of `lm.filter` and its subpackages, and of `lm.classifier`, in a fixed order."""
    package = Path(__file__).parents[1]
    return sorted(file for name in ("classifier", "filter") for file in (package / name).rglob("*.py"))

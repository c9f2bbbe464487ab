"""The course of documents through the steps of a funnel: where each step keeps what it has made of each piece.

Everything lies under a name that stands for all it was made from, and for nothing else. So a step is done again when it
or one before it is changed, and only then; sources and first steps are shared by all funnels that have them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lm.corpus import Document, Source
from lm.files import hash_json
from lm.filtering.description import code_of, described
from lm.filtering.pieces import read_documents, read_outcome, read_plain
from lm.filtering.traces import Deduplicator, DocumentTrace, Filter, Outcome, traces

LAYOUT = 2  # of files below; another number makes all of them anew
PIECE = 4_000_000  # characters that are read, judged and kept together
PART = 32_000_000  # bytes of files that one process reads, at the least


@dataclass(frozen=True)
class Part:
    """What is read at once of a source, or of the earlier corpus that a step goes by, as `reading` has it."""

    reading: str
    number: int


@dataclass(frozen=True)
class Piece:
    """Some consecutive documents of a part."""

    part: Part
    number: int


class StageStore:
    """`sources` by name, in order, and `steps` by name, in order, below `directory`."""

    def __init__(self, directory: Path, sources: Mapping[str, Source], steps: Mapping[str, Filter | Deduplicator]):
        self.directory, self.sources, self.steps = directory, dict(sources), dict(steps)
        self.names = list(steps)
        self.piece, self.readings = PIECE, dict(sources)
        for name, step in steps.items():
            if isinstance(step, Deduplicator) and step.earlier:
                self.readings[f"{name}.earlier"] = step.earlier
        self.parts = {
            Part(name, number): part
            for name, reading in self.readings.items()
            for number, part in enumerate(reading.parts(PART))
        }
        own = self.parts_of(*sources)
        chain = {part: hash_json([LAYOUT, self.piece, each.fingerprint()]) for part, each in self.parts.items()}
        self._places = [{part: self._place("read", chain[part]) for part in self.parts}]
        self._keys: dict[int, dict[Part, Path]] = {}
        self._clusters: dict[int, Path] = {}
        for number, (name, step) in enumerate(steps.items()):
            about = [described(step), code_of(step)]
            if isinstance(step, Deduplicator):
                known = {
                    each: hash_json([chain[each], about]) for each in (*own, *self.parts_of(*self.earlier(number)))
                }
                self._keys[number] = {each: self._place(f"{name}.keys", known[each]) for each in known}
                together = hash_json([known[each] for each in known])
                self._clusters[number] = self._place(f"{name}.clusters", together)
                after = {each: hash_json([together, at]) for at, each in enumerate(own)}
            else:
                after = {each: hash_json([chain[each], about]) for each in own}
            chain.update(after)
            self._places.append({each: self._place(name, after[each]) for each in own})
        self.fingerprint = hash_json([[each.reading, chain[each]] for each in own] + [[*sources], self.names])
        self.result = self._place("kept", self.fingerprint)
        self._position = {part: position for position, part in enumerate(own)}

    def earlier(self, step: int) -> list[str]:
        """The reading of the other corpus that a step goes by, if it does."""
        name = f"{self.names[step]}.earlier"
        return [name] if name in self.readings else []

    def parts_of(self, *readings: str) -> list[Part]:
        """The parts of some readings, in the order of their documents."""
        return [part for name in readings for part in self.parts if part.reading == name]

    def pieces(self, *readings: str) -> list[Piece]:
        """The pieces of all sources, or of `readings`, in the order of their documents, once they are read."""
        return [
            Piece(part, number)
            for part in self.parts_of(*(readings or self.sources))
            for number in range(len(read_plain(self.account_path(part))["documents"]))
        ]

    def is_own(self, piece: Piece) -> bool:
        """Whether a piece is of this corpus, not of an earlier one."""
        return piece.part.reading in self.sources

    def key(self, reading: str) -> str:
        """Where the config has it."""
        return f"corpus.sources.{reading}" if reading in self.sources else f"corpus.filters.{reading}"

    def account_path(self, part: Part) -> Path:
        """What says that a part has been read, and what was found."""
        return self._places[0][part] / "account.zst"

    def documents_path(self, piece: Piece) -> Path:
        """Where the documents of a piece lie, as they were read."""
        return self._places[0][piece.part] / f"{piece.number:05d}.documents.zst"

    def outcome_path(self, step: int, piece: Piece) -> Path:
        """Where it is kept what a step made of a piece."""
        return self._places[step + 1][piece.part] / f"{piece.number:05d}.zst"

    def keys_path(self, step: int, piece: Piece) -> Path:
        """Where the keys of a piece's documents lie; see `keys`."""
        return self._keys[step][piece.part] / f"{piece.number:05d}"

    def clusters_path(self, step: int) -> Path:
        """Where a `Deduplicator` step works out which documents belong together."""
        return self._clusters[step]

    def kept_path(self, piece: Piece) -> Path:
        """Where the documents that are left of a piece lie."""
        return self.result / f"{self._position[piece.part]:05d}-{piece.number:05d}.documents.zst"

    def documents(self, piece: Piece, *, steps: int) -> list[Document]:
        """The documents of a piece that the first `steps` steps have let pass."""
        documents = read_documents(self.documents_path(piece))
        for step in range(steps):
            documents = read_outcome(self.outcome_path(step, piece), documents).after(documents)
        return documents

    def traces(self, piece: Piece) -> list[DocumentTrace]:
        """What has become of each document of a piece."""
        documents = left = read_documents(self.documents_path(piece))
        outcomes: list[Outcome] = []
        for step in range(len(self.steps)):
            outcomes.append(read_outcome(self.outcome_path(step, piece), left))
            left = outcomes[-1].after(left)
        return traces(documents, outcomes)

    def filters(self) -> Iterator[tuple[int, Deduplicator | None]]:
        """Runs of filters: the number of the step that each ends before, and the `Deduplicator` there, if any."""
        for number, step in enumerate(self.steps.values()):
            if isinstance(step, Deduplicator):
                yield number, step
        yield len(self.steps), None

    def _place(self, name: str, fingerprint: str) -> Path:
        return self.directory / f"{name}-{fingerprint[:16]}"

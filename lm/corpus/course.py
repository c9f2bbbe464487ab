"""The course of documents through the steps of a funnel: where each step keeps what it has made of each piece.

Everything lies under a name that stands for all it was made from, and for nothing else. So a step is done again when it
or one before it is changed, and only then; sources and first steps are shared by all funnels that have them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lm.corpus.description import code_of, described
from lm.corpus.document import Document, Source
from lm.corpus.fate import Fate, Filter, Outcome, Unique, fates
from lm.corpus.pieces import read_documents, read_outcome, read_plain
from lm.files import hash_json

LAYOUT = 1  # of files below; another number makes all of them anew
PIECE = 4_000_000  # characters that are read, judged and kept together
PART = 32_000_000  # bytes of files that one process reads, at the least


@dataclass(frozen=True)
class Piece:
    """Some consecutive documents of a source."""

    source: str
    name: str


class Course:
    """`sources` by name, in order, and `steps` by name, in order, below `directory`."""

    def __init__(self, directory: Path, sources: Mapping[str, Source], steps: Mapping[str, Filter | Unique]):
        self.directory, self.sources, self.steps = directory, dict(sources), dict(steps)
        self.names = list(steps)
        self.piece, self.part_size = PIECE, PART
        self.readings = {
            **self.sources,
            **{
                f"{name}.earlier": step.earlier
                for name, step in steps.items()
                if isinstance(step, Unique) and step.earlier
            },
        }
        chain = {
            name: hash_json([LAYOUT, self.piece, self.part_size, each.fingerprint()])
            for name, each in self.readings.items()
        }
        self._places = [{name: self._place("read", chain[name]) for name in self.readings}]
        self._keys: dict[int, dict[str, Path]] = {}
        self._clusters: dict[int, Path] = {}
        for number, (name, step) in enumerate(steps.items()):
            about = [described(step), code_of(step)]
            if isinstance(step, Unique):
                known = {each: hash_json([chain[each], about]) for each in (*self.sources, *self.earlier(number))}
                self._keys[number] = {each: self._place(f"{name}.keys", known[each]) for each in known}
                together = hash_json([known[each] for each in known])
                self._clusters[number] = self._place(f"{name}.clusters", together)
                after = {each: hash_json([together, at]) for at, each in enumerate(self.sources)}
            else:
                after = {each: hash_json([chain[each], about]) for each in self.sources}
            chain.update(after)
            self._places.append({each: self._place(name, after[each]) for each in self.sources})
        self.fingerprint = hash_json([[name, chain[name]] for name in self.sources] + [self.names])
        self.result = self._place("kept", self.fingerprint)

    def earlier(self, step: int) -> list[str]:
        """The reading of the other corpus that a step goes by, if it does."""
        name = f"{self.names[step]}.earlier"
        return [name] if name in self.readings else []

    def pieces(self, *readings: str) -> list[Piece]:
        """The pieces of all sources, or of `readings`, in the order of their documents, once they are read."""
        found = []
        for name in readings or self.sources:
            for part in range(self.parts(name)):
                count = len(read_plain(self.part(name, part))["documents"])
                found += [Piece(name, f"{part:05d}-{index:05d}") for index in range(count)]
        return found

    def key(self, reading: str) -> str:
        """Where the config has it."""
        return f"corpus.sources.{reading}" if reading in self.sources else f"corpus.filters.{reading}"

    def parts(self, reading: str) -> int:
        """In how many parts it is read."""
        return len(self.readings[reading].parts(self.part_size))

    def part(self, reading: str, part: int) -> Path:
        """What says that a part has been read, and what was found."""
        return self._places[0][reading] / f"part-{part:05d}.zst"

    def documents_path(self, piece: Piece) -> Path:
        """Where the documents of a piece lie, as they were read."""
        return self._places[0][piece.source] / f"{piece.name}.jsonl.zst"

    def outcome_path(self, step: int, piece: Piece) -> Path:
        """Where it is kept what a step made of a piece."""
        return self._places[step + 1][piece.source] / f"{piece.name}.zst"

    def keys_path(self, step: int, piece: Piece) -> Path:
        """Where the keys of a piece's documents lie; see `keys`."""
        return self._keys[step][piece.source] / piece.name

    def clusters_path(self, step: int) -> Path:
        """Where a `Unique` step works out which documents belong together."""
        return self._clusters[step]

    def kept_path(self, piece: Piece) -> Path:
        """Where the documents that are left of a piece lie."""
        number = list(self.sources).index(piece.source)
        return self.result / f"{number:03d}-{piece.name}.jsonl.zst"

    def documents(self, piece: Piece, *, steps: int) -> list[Document]:
        """The documents of a piece that the first `steps` steps have let pass."""
        documents = read_documents(self.documents_path(piece))
        for step in range(steps):
            documents = read_outcome(self.outcome_path(step, piece), documents).after(documents)
        return documents

    def fates(self, piece: Piece) -> list[Fate]:
        """What has become of each document of a piece."""
        documents = left = read_documents(self.documents_path(piece))
        outcomes: list[Outcome] = []
        for step in range(len(self.steps)):
            outcomes.append(read_outcome(self.outcome_path(step, piece), left))
            left = outcomes[-1].after(left)
        return fates(documents, outcomes)

    def filters(self) -> Iterator[tuple[int, Unique | None]]:
        """Runs of filters, each by the number of the step it ends before, and the `Unique` step there, if one is."""
        for number, step in enumerate(self.steps.values()):
            if isinstance(step, Unique):
                yield number, step
        yield len(self.steps), None

    def _place(self, name: str, fingerprint: str) -> Path:
        return self.directory / f"{name}-{fingerprint[:16]}"

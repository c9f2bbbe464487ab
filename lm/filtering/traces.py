"""What becomes of documents on their way through filters, step by step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lm.corpus import Document, Dropped, Source

Filter = Callable[[Document], Document | Dropped]
BATCH = 500_000  # characters that each filter judges in turn


class Deduplicator(ABC):
    """A step that keeps one of the documents that share a key, directly or by way of others, whatever that one becomes
    later. Of those that share one with a document of `earlier`, another corpus, none is kept.
    """

    reason: str
    earlier: Source | None

    @abstractmethod
    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        """By what each is known, equally many of each, of 8 bytes or a multiple; none if nothing is like it."""

    @property
    @abstractmethod
    def told(self) -> str:
        """What there is to know of it before it runs, "" for nothing."""

    @abstractmethod
    def worth(self, document: Document) -> float:
        """The one of most worth is kept, of equals the first."""


class Batched(ABC):
    """A filter that finds out faster about many documents together what it asks of each."""

    @abstractmethod
    def look_ahead(self, documents: Sequence[Document]) -> None:
        """Find out, and keep it: each of these is judged next, before others are looked at."""


class Reporting(ABC):
    """A filter that can say more of what it drops or changes than a reason."""

    @abstractmethod
    def report(self, document: Document) -> Iterator[dict[str, str | int]]:
        """What it found in the document, as it came to this filter: plain records."""


@dataclass
class Outcome:
    """What a step makes of documents, by their places; the others pass as they are."""

    dropped: dict[int, Dropped] = field(default_factory=dict)
    changed: dict[int, Document] = field(default_factory=dict)

    def after(self, documents: Sequence[Document]) -> list[Document]:
        """The documents that are left."""
        changed = self.changed
        return [changed.get(n, document) for n, document in enumerate(documents) if n not in self.dropped]


def judge(steps: Mapping[str, Filter], documents: Iterable[Document]) -> list[Outcome]:
    """What each of the filters makes of the documents that those before it let pass.

    Some hundred documents at a time: in the caches of a core a filter then finds its own tables, a sixth faster, and
    what those before it found out about the same texts.
    """
    outcomes, places = [Outcome() for _ in steps], [0] * len(steps)
    for batch in _batches(documents):
        for number, (name, step) in enumerate(steps.items()):
            passed = []
            if isinstance(step, Batched):
                step.look_ahead(batch)
            for place, document in enumerate(batch, start=places[number]):
                try:
                    result = step(document)
                except Exception as error:
                    error.add_note(f"at document {document.id!r}, in the filter {name}")
                    raise
                if isinstance(result, Dropped):
                    outcomes[number].dropped[place] = result
                    continue
                if result is not document and result != document:
                    outcomes[number].changed[place] = document = result
                passed.append(document)
            places[number] += len(batch)
            batch = passed
    return outcomes


def keys_of(step: Deduplicator, documents: Iterable[Document]) -> Iterator[tuple[int, list[bytes]]]:
    """The places of the documents that have keys, and these."""
    keys = (each for batch in _batches(documents) for each in step.keys(batch))
    return ((place, each) for place, each in enumerate(keys) if each)


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in batches of so many characters, or with one that has more."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    yield batch


@dataclass
class DocumentTrace:
    """A document as it came, its text then and after each step that let it pass, and why one did not; what is left."""

    document: Document
    texts: list[str]
    dropped: Dropped | None = None
    kept: Document | None = None

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of each text."""
        return self.measured(lambda text: len(text.encode("utf-8", "surrogatepass")))

    def measured(self, measure: Callable[[str], int]) -> list[int]:
        """A number for each text, found once where a step left it as it was."""
        found: list[int] = []
        for place, text in enumerate(self.texts):
            same = place > 0 and text is self.texts[place - 1]
            found.append(found[-1] if same else measure(text))
        return found

    @property
    def changed(self) -> list[int]:
        """The steps that changed the text."""
        return [n for n, (text, after) in enumerate(zip(self.texts, self.texts[1:], strict=False)) if text != after]


def traces(documents: Sequence[Document], outcomes: Sequence[Outcome]) -> list[DocumentTrace]:
    """Put together what each step has made of the documents."""
    found = [DocumentTrace(document, [document.text], kept=document) for document in documents]
    left = list(found)
    for outcome in outcomes:
        passed = []
        for place, trace in enumerate(left):
            if place in outcome.dropped:
                trace.dropped, trace.kept = outcome.dropped[place], None
            else:
                trace.kept = outcome.changed.get(place, trace.kept)
                trace.texts.append(trace.kept.text)
                passed.append(trace)
        left = passed
    return found


def follow(document: Document, steps: Mapping[str, Filter | Deduplicator]) -> DocumentTrace:
    """Take one document through all steps, as if nothing was like it."""
    trace = DocumentTrace(document, [document.text], kept=document)
    for name, step in steps.items():
        outcome = Outcome() if isinstance(step, Deduplicator) else judge({name: step}, [trace.kept])[0]
        if outcome.dropped:
            trace.dropped, trace.kept = outcome.dropped[0], None
            break
        trace.kept = outcome.changed.get(0, trace.kept)
        trace.texts.append(trace.kept.text)
    return trace

"""What filters do to documents: the outcome of each step, and the trace of each document through all steps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lm.corpus import Document, Dropped
from lm.filtering.contract import Deduplicator, Filter

BATCH = 500_000  # characters that each filter judges in turn


@dataclass
class Outcome:
    """The documents that a step dropped or changed, by their index among its inputs; the others passed unchanged."""

    dropped: dict[int, Dropped] = field(default_factory=dict)
    changed: dict[int, Document] = field(default_factory=dict)

    def apply(self, documents: Sequence[Document]) -> list[Document]:
        """The documents that pass, changed where the step changed them."""
        changed = self.changed
        return [changed.get(n, document) for n, document in enumerate(documents) if n not in self.dropped]


def apply_filters(steps: Mapping[str, Filter], documents: Iterable[Document]) -> list[Outcome]:
    """Apply filters in turn, each to the documents that pass those before it, and return the outcome of each.

    Documents go through all filters in batches of some hundred: a filter finds its own tables in the cache of the core,
    a sixth faster, and what earlier filters computed for the same texts.
    """
    outcomes, begins = [Outcome() for _ in steps], [0] * len(steps)
    for batch in group_by_characters(documents, BATCH):
        for number, (name, step) in enumerate(steps.items()):
            passed = []
            step.look_ahead(batch)
            for index, document in enumerate(batch, start=begins[number]):
                try:
                    result = step(document)
                except Exception as error:
                    error.add_note(f"at document {document.id!r}, in the filter {name}")
                    raise
                if isinstance(result, Dropped):
                    outcomes[number].dropped[index] = result
                    continue
                if result is not document and result != document:
                    outcomes[number].changed[index] = document = result
                passed.append(document)
            begins[number] += len(batch)
            batch = passed
    return outcomes


def compute_keys(step: Deduplicator, documents: Iterable[Document]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the index and the keys of each document that has keys."""
    keys = (own for batch in group_by_characters(documents, BATCH) for own in step.keys(batch))
    return ((index, own) for index, own in enumerate(keys) if own)


def group_by_characters(documents: Iterable[Document], characters: int) -> Iterator[list[Document]]:
    """Yield consecutive documents in groups, each of which ends with the document that brings it to `characters`."""
    group: list[Document] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.text)
        if size >= characters:
            yield group
            group, size = [], 0
    if group:
        yield group


@dataclass
class DocumentTrace:
    """A document and its way through the steps.

    `texts` are its text as read and after each step that it passed, `dropped` is why a step dropped it, and `kept` is
    the document that passed all steps.
    """

    document: Document
    texts: list[str]
    dropped: Dropped | None = None
    kept: Document | None = None

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of each text, counted once where a step left it as it was."""
        sizes: list[int] = []
        for index, text in enumerate(self.texts):
            same = index > 0 and text is self.texts[index - 1]
            sizes.append(sizes[-1] if same else len(text.encode("utf-8", "surrogatepass")))
        return sizes

    @property
    def changed(self) -> list[int]:
        """Indices of the steps that changed the text."""
        return [n for n, (text, after) in enumerate(zip(self.texts, self.texts[1:], strict=False)) if text != after]


def join_outcomes(documents: Sequence[Document], outcomes: Sequence[Outcome]) -> list[DocumentTrace]:
    """Join the outcomes of all steps into a trace of each document."""
    traces = [DocumentTrace(document, [document.text], kept=document) for document in documents]
    left = traces
    for outcome in outcomes:
        passed = []
        for index, trace in enumerate(left):
            if index in outcome.dropped:
                trace.dropped, trace.kept = outcome.dropped[index], None
            else:
                trace.kept = outcome.changed.get(index, trace.kept)
                trace.texts.append(trace.kept.text)
                passed.append(trace)
        left = passed
    return traces


def trace_document(document: Document, steps: Mapping[str, Filter]) -> DocumentTrace:
    """Trace one document through all steps, as if it had no duplicates."""
    return join_outcomes([document], apply_filters(steps, [document]))[0]

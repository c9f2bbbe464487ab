"""Show what a funnel would do before it runs for hours, and what it did to one document."""

import sys
from collections.abc import Iterator
from itertools import chain, islice
from tempfile import TemporaryDirectory
from typing import TextIO

from lm.corpus import Document, Source
from lm.filtering.filtered_source import FilteredSource
from lm.filtering.traces import DocumentTrace, trace_document

SAMPLE = 2000  # documents of each source
EXCERPT = 300  # characters of a document
RED, YELLOW, DIM, RESET = "\033[31m", "\033[33m", "\033[2m", "\033[0m"


class Sample(Source):
    """The first documents of a source.

    Args:
        source: The source to read from.
    """

    def __init__(self, source: Source):
        self.source = source

    def fingerprint(self) -> str:
        return self.source.fingerprint()

    def __iter__(self) -> Iterator[Document]:
        return islice(self.source, SAMPLE)


def show_traces(funnel: FilteredSource, count: int, *, stream: TextIO | None = None) -> None:
    """Filter the first documents of each source, and print examples and the result table; nothing is written.

    Args:
        funnel: The funnel to try.
        count: Dropped documents to print for each reason, and changed documents for each step.
        stream: Where to print; standard output by default.
    """
    stream = stream or sys.stdout
    red, yellow, dim, reset = (RED, YELLOW, DIM, RESET) if stream.isatty() else ("", "", "", "")
    names, printed = list(funnel.filters), dict[tuple[str, str], int]()

    def show(colour: str, step: str, outcome: str, detail: str, trace: DocumentTrace, text: str) -> None:
        printed[step, outcome] = printed.get((step, outcome), 0) + 1
        if printed[step, outcome] <= count:
            title = f"{step}: {outcome}{f' ({detail})' if detail else ''}"
            stream.write(f"{colour}{title}{reset} {trace.document.id}\n{dim}{_excerpt(text)}{reset}\n\n")

    with TemporaryDirectory() as folder:
        sources = {name: Sample(source) for name, source in funnel.sources.items()}
        sample = FilteredSource(sources, filters=funnel.filters, directory=folder)
        for trace in sample.traces():
            if trace.dropped is not None:
                step = names[len(trace.texts) - 1]
                show(red, step, trace.dropped.reason, trace.dropped.detail, trace, trace.document.text)
            elif trace.changed:
                show(yellow, names[trace.changed[0]], "changed", "", trace, _difference(trace))
        summary = "\n".join([sample.ledger.table(), *sample.describe()])
    stream.write(f"{summary}\n(of the first {SAMPLE} documents of each source; nothing was written)\n")


def explain_trace(funnel: FilteredSource, name: str, *, stream: TextIO | None = None) -> None:
    """Print what each step does to one document: what it did, if the funnel has run.

    Args:
        funnel: The funnel.
        name: Id of the document.
        stream: Where to print; standard output by default.

    Raises:
        ValueError: No source has a document with this id; the message lists similar ids.
    """
    stream = stream or sys.stdout
    has_run = funnel.account is not None
    trace = _find(funnel, name, has_run=has_run)
    document = trace.document
    trace = trace if has_run else trace_document(document, funnel.filters)
    stream.write(f"{document.id}  {document.kind}, {trace.sizes[0]} bytes, from {document.source or 'its source'}\n")
    for number, step in enumerate(funnel.filters):
        if number == len(trace.texts) - 1:
            detail = f" ({trace.dropped.detail})" if trace.dropped.detail else ""
            stream.write(f"  {step:<20} dropped: {trace.dropped.reason}{detail}\n")
            return
        size = f", {trace.sizes[number + 1]} bytes left" if number in trace.changed else ""
        stream.write(f"  {step:<20} {'changed' if number in trace.changed else 'passed'}{size}\n")
    stream.write("  kept\n" if has_run else "  (whether it has duplicates is known once the funnel has run)\n")


def _find(funnel: FilteredSource, name: str, *, has_run: bool) -> DocumentTrace:
    """The trace of the document with this id; only the document itself if the funnel has not run."""
    documents = chain.from_iterable(funnel.sources.values())
    similar: list[str] = []
    for trace in funnel.traces() if has_run else (DocumentTrace(each, [each.text]) for each in documents):
        if trace.document.id == name:
            return trace
        if len(similar) < 5 and name in trace.document.id:
            similar.append(trace.document.id)
    hint = f"similar ids: {', '.join(similar)}" if similar else "funnel.json and the sources list ids"
    raise ValueError(f"explain={name}: no source has a document with this id; {hint}")


def _difference(trace: DocumentTrace) -> str:
    """Excerpts from the first character at which the text changed, before and after."""
    before, after = trace.document.text, trace.texts[-1]
    place = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, place - 40)
    return f"- {before[start : start + EXCERPT // 2]!r}\n+ {after[start : start + EXCERPT // 2]!r}"


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]} …"

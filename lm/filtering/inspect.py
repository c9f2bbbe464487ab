"""Look at what a funnel does before it runs for hours, and at what became of one document."""

import sys
from collections.abc import Iterator
from itertools import islice
from tempfile import TemporaryDirectory
from typing import TextIO

from lm.corpus import Document, Source
from lm.filtering.filtered_source import FilteredSource
from lm.filtering.traces import DocumentTrace, follow

SAMPLE = 2000  # documents of each source that are tried
SHOWN = 300  # characters of each that is shown
RED, YELLOW, DIM, RESET = "\033[31m", "\033[33m", "\033[2m", "\033[0m"


class Sample(Source):
    """The first documents of a source."""

    def __init__(self, source: Source):
        self.source = source

    def fingerprint(self) -> str:
        return self.source.fingerprint()

    def __iter__(self) -> Iterator[Document]:
        return islice(self.source, SAMPLE)


def show_traces(funnel: FilteredSource, count: int, *, stream: TextIO | None = None) -> None:
    """Print up to `count` documents of each reason for which the first documents of each source would be dropped, as
    many that would be changed, and the account of all that were tried."""
    stream = stream or sys.stdout
    red, yellow, dim, reset = (RED, YELLOW, DIM, RESET) if stream.isatty() else ("", "", "", "")
    names, shown = list(funnel.filters), dict[tuple[str, str], int]()

    def tell(colour: str, step: str, what: str, detail: str, trace: DocumentTrace, text: str) -> None:
        shown[step, what] = shown.get((step, what), 0) + 1
        if shown[step, what] <= count:
            told = f"{step}: {what}{f' ({detail})' if detail else ''}"
            stream.write(f"{colour}{told}{reset} {trace.document.id}\n{dim}{_short(text)}{reset}\n\n")

    with TemporaryDirectory() as folder:
        sources = {name: Sample(source) for name, source in funnel.sources.items()}
        sample = FilteredSource(sources, filters=funnel.filters, directory=folder)
        for trace in sample.traces():
            if trace.dropped is not None:
                step = names[len(trace.texts) - 1]
                tell(red, step, trace.dropped.reason, trace.dropped.detail, trace, trace.document.text)
            elif trace.changed:
                tell(yellow, names[trace.changed[0]], "changed", "", trace, _difference(trace))
        told = "\n".join([sample.ledger.table(), *sample.told])
    stream.write(f"{told}\n(of the first {SAMPLE} documents of each source; nothing was written)\n")


def explain_trace(funnel: FilteredSource, name: str, *, stream: TextIO | None = None) -> None:
    """Print what each step makes of the document of id `name`: what it has made, if the funnel has run."""
    stream = stream or sys.stdout
    near: list[str] = []
    ran = funnel.account is not None
    traces = (
        funnel.traces()
        if ran
        else (DocumentTrace(each, [each.text]) for source in funnel.sources.values() for each in source)
    )
    for trace in traces:
        if trace.document.id == name:
            break
        if len(near) < 5 and name in trace.document.id:
            near.append(trace.document.id)
    else:
        hint = f"there are {', '.join(near)}" if near else "ids are as funnel.json and the sources have them"
        raise ValueError(f"explain={name}: no source has a document of this id; {hint}")
    document = trace.document
    trace = trace if ran else follow(document, funnel.filters)
    stream.write(f"{document.id}  {document.kind}, {trace.sizes[0]} bytes, from {document.source or 'its source'}\n")
    for number, step in enumerate(funnel.filters):
        if number == len(trace.texts) - 1:
            detail = f" ({trace.dropped.detail})" if trace.dropped.detail else ""
            stream.write(f"  {step:<20} dropped: {trace.dropped.reason}{detail}\n")
            return
        size = f", {trace.sizes[number + 1]} bytes left" if number in trace.changed else ""
        stream.write(f"  {step:<20} {'changed' if number in trace.changed else 'passed'}{size}\n")
    stream.write("  kept\n" if ran else "  (whether it has likes is known once the funnel has run)\n")


def _difference(trace: DocumentTrace) -> str:
    """What follows the place where the text first differs, before and after."""
    before, after = trace.document.text, trace.texts[-1]
    place = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, place - 40)
    return f"- {before[start : start + SHOWN // 2]!r}\n+ {after[start : start + SHOWN // 2]!r}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"

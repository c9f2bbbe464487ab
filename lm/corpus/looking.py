"""Look at what a funnel does before it runs for hours, and at what became of one document."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from lm.corpus.document import Document
from lm.corpus.fate import Fate, follow
from lm.corpus.funnel import Funnel
from lm.corpus.ledger import Ledger
from lm.corpus.seen import Seen

SAMPLE = 2000  # documents of each source that are tried
SHOWN = 300  # characters of each that is shown
RED, YELLOW, DIM, RESET = "\033[31m", "\033[33m", "\033[2m", "\033[0m"


def show_fates(funnel: Funnel, count: int, *, stream: TextIO | None = None) -> None:
    """Print up to `count` documents of each reason for which the first documents of each source would be dropped, as
    many that would be changed, and the account of all that were tried."""
    stream = stream or sys.stdout
    red, yellow, dim, reset = (RED, YELLOW, DIM, RESET) if stream.isatty() else ("", "", "", "")
    names, ledger, shown = list(funnel.filters), Ledger(list(funnel.filters)), dict[tuple[str, str], int]()

    def tell(colour: str, step: str, what: str, detail: str, document: Document, text: str) -> None:
        shown[step, what] = shown.get((step, what), 0) + 1
        if shown[step, what] <= count:
            told = f"{step}: {what}{f' ({detail})' if detail else ''}"
            stream.write(f"{colour}{told}{reset} {document.id}\n{dim}{_short(text)}{reset}\n\n")

    with TemporaryDirectory() as folder:
        seen = Seen(Path(folder, "seen.sqlite"), known=0)
        for document, fate in funnel.fates(_sample(funnel), seen):
            ledger.add(document, fate)
            if fate.dropped is not None:
                step = names[len(fate.sizes) - 1]
                tell(red, step, fate.dropped.reason, fate.dropped.detail, document, document.text)
            elif fate.changed:
                tell(yellow, names[fate.changed[0]], "changed", "", document, _difference(document, fate))
        seen.close()
    stream.write(f"{ledger.table()}\n(of the first {SAMPLE} documents of each source; nothing was written)\n")


def explain_fate(funnel: Funnel, name: str, *, stream: TextIO | None = None) -> None:
    """Print what each step makes of the document of id `name`, and whether it is among those that were kept."""
    stream = stream or sys.stdout
    near: list[str] = []
    for document in funnel.read():
        if document.id == name:
            break
        if len(near) < 5 and name in document.id:
            near.append(document.id)
    else:
        hint = f"there are {', '.join(near)}" if near else "ids are as funnel.json and the sources have them"
        raise ValueError(f"explain={name}: no source has a document of this id; {hint}")
    fate = follow(document, list(funnel.filters.values()))
    stream.write(f"{document.id}  {document.kind}, {fate.sizes[0]} bytes, from {document.source or 'its source'}\n")
    for number, step in enumerate(funnel.filters):
        if number == len(fate.sizes) - 1:
            stream.write(f"  {step:<20} dropped: {fate.dropped.reason} ({fate.dropped.detail})\n")
            return
        size = f", {fate.sizes[number + 1]} bytes left" if number in fate.changed else ""
        stream.write(f"  {step:<20} {'changed' if number in fate.changed else 'passed'}{size}\n")
    if not funnel.store.account["complete"]:
        stream.write("  (whether it is the first of its likes is known once the funnel has run)\n")
    elif any(kept.id == name for kept in funnel.store):
        stream.write("  kept\n")
    else:
        stream.write("  dropped: another like it came first\n")


def _sample(funnel: Funnel) -> Iterator[Document]:
    for source in funnel.sources.values():
        yield from islice(source, SAMPLE)


def _difference(document: Document, fate: Fate) -> str:
    """What follows the place where the text first differs, before and after."""
    before, after = document.text, fate.document.text
    place = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, place - 40)
    return f"- {before[start : start + SHOWN // 2]!r}\n+ {after[start : start + SHOWN // 2]!r}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"

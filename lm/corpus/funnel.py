"""Several sources through a funnel of filters, with every document accounted for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import lm
from lm.bounds import Count
from lm.corpus.description import described
from lm.corpus.document import Document, Dropped, Source
from lm.corpus.fate import Fate, Filter, Unique, follow
from lm.corpus.ledger import Ledger
from lm.corpus.seen import Seen
from lm.corpus.store import Store
from lm.corpus.workers import in_order
from lm.files import hash_bytes, hash_file, hash_json
from lm.progress import bar
from lm.ranks import cores

BATCH_DOCUMENTS, BATCH_CHARACTERS = 256, 1_000_000  # that a worker takes at once
PIECE = 16_000_000  # characters read between two savings


class Funnel(Source):
    """Documents of all `sources`, in their order, that every one of `filters` lets pass, in theirs.

    The filters run once, on all cores; what they let pass is kept below `directory`, under a name that stands for the
    sources' content, the filters and their settings: any job that wants the same finds it there. An interrupted run
    goes on after its last piece, with the same result, whatever the number of `workers` (null: one a core).
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        filters: Mapping[str, Filter | Unique] | None = None,
        directory: str = "outputs/documents",
        workers: Count | None = None,
    ):
        if not sources:
            raise ValueError("corpus.sources is empty: add one, as +corpus@corpus.sources.mine=text")
        self.sources, self.filters = dict(sources), dict(filters or {})
        self.workers = workers or cores()
        self.directory = Path(directory)
        self._fingerprint: str | None = None

    def fingerprint(self) -> str:
        if self._fingerprint is None:
            code = sorted(Path(lm.__file__).parent.glob("filter/*.py"))
            self._fingerprint = hash_json(
                {
                    "sources": {name: source.fingerprint() for name, source in self.sources.items()},
                    "filters": [[name, described(each)] for name, each in self.filters.items()],
                    "code": hash_bytes("".join(hash_file(file) for file in code).encode()),
                }
            )
        return self._fingerprint

    @property
    def store(self) -> Store:
        """Where the documents are kept."""
        return Store(self.directory / self.fingerprint()[:16])

    @property
    def ledger(self) -> Ledger:
        """What became of the documents, once they have been read."""
        return Ledger(list(self.filters), self.store.account.get("steps"))

    def prepare(self) -> None:
        """Run the filters, unless that is done."""
        store = self.store
        with store.claimed():
            if not store.account["complete"]:
                self._run(store)
        if not store.account["pieces"]:
            raise ValueError(_nothing_kept(store.account["steps"]))
        self.notes = tuple(store.account["notes"])

    def __iter__(self) -> Iterator[Document]:
        self.prepare()
        yield from self.store

    def read(self) -> Iterator[Document]:
        """The documents of all sources, before any filter."""
        for source in self.sources.values():
            yield from source

    def fates(self, documents: Iterator[Document], seen: Seen, *, first: int = 0) -> Iterator[tuple[Document, Fate]]:
        """What becomes of each of `documents`, the first of which has the number `first`."""
        steps, names = list(self.filters.values()), list(self.filters)
        for batch, fates in in_order(Follow(steps, names), _batches(documents), workers=self.workers):
            for number, (document, fate) in enumerate(zip(batch, fates, strict=True), start=first):
                if fate.dropped is None and fate.document is None:
                    fate = replace(fate, document=document)
                for step, keys in fate.keys:
                    before = seen.first(step, keys, number, document.id)
                    if before is not None:
                        fate = fate.dropped_at(step, Dropped(steps[step].reason, f"as {before}"))
                        break
                yield document, fate
            first += len(batch)

    def _run(self, store: Store) -> None:
        done = store.account["read"]
        ledger = Ledger(list(self.filters), store.account.get("steps"))
        seen = Seen(store.directory / "seen.sqlite", known=done)
        kept: list[Document] = []
        size = 0

        def save(*, complete: bool) -> None:
            seen.commit()
            notes = [f"{name}: {note}" for name, source in self.sources.items() for note in source.notes]
            account = {"read": done, "complete": complete, "steps": ledger.steps, "notes": notes if complete else []}
            store.add(kept, account)
            kept.clear()

        try:
            with bar(label="funnel", unit="document", done=done) as shown:
                for document, fate in self.fates(islice(self.read(), done, None), seen, first=done):
                    ledger.add(document, fate)
                    if fate.document is not None:
                        kept.append(fate.document)
                    done, size = done + 1, size + len(document.text)
                    shown.update()
                    if size >= PIECE:
                        save(complete=False)
                        size = 0
            save(complete=True)
        finally:
            seen.close()


def _nothing_kept(steps: list[dict]) -> str:
    """Why no document is left, by the reason for which most of them went."""
    gone = [(why["documents"], step["step"], reason) for step in steps for reason, why in step["dropped"].items()]
    if not gone:
        return "the corpus is empty: its sources give no document with text in it"
    most, step, reason = max(gone)
    return (
        f"the filters let none of {steps[0]['documents']} documents pass; most went at {step}: {reason} ({most}): "
        "look at them with show=3 (lm corpus), and change or remove that filter"
    )


class Follow:
    """Fates of a batch of documents; a document that passes unchanged is left out, lest it travel twice."""

    def __init__(self, steps: Sequence[Filter | Unique], names: Sequence[str]):
        self.steps, self.names = steps, names

    def __call__(self, batch: list[Document]) -> list[Fate]:
        fates = []
        for document in batch:
            try:
                fate = follow(document, self.steps)
            except Exception as error:
                error.add_note(f"at document {document.id!r}, in one of the filters {', '.join(self.names)}")
                raise
            fates.append(replace(fate, document=None) if fate.document is document else fate)
        return fates


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if len(batch) == BATCH_DOCUMENTS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

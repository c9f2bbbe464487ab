"""Several sources through a funnel of filters, with an account of every document."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from lm.config.faults import errors_at
from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.file_lock import lock_file
from lm.filtering.clusters import ClusterPhase, PairPhase
from lm.filtering.contract import Filter, FilterLike, as_filter
from lm.filtering.executors import Executor, LocalExecutor
from lm.filtering.ledger import Ledger
from lm.filtering.phases import FilterPhase, FinalizePhase, Phase, ReadPhase
from lm.filtering.pieces import is_written, read_documents, read_json, write_json
from lm.filtering.stages import StageStore
from lm.filtering.traces import DocumentTrace

ACCOUNT = "account.zst"


class FilteredSource(Source):
    """The documents of several sources that pass all filters.

    The filters run once. The documents that pass are stored in `directory`, under a name that is the hash of the
    sources' content, the filters, their settings and their code; every job that wants the same documents reads them
    there. The outcome of each filter is stored too, so that a change of one filter runs only that filter and those
    after it. An interrupted run resumes after its last piece with the same result, in any number of processes.

    Args:
        sources: Sources by name; their documents are read in this order.
        filters: Filters by name, applied in this order. A filter is a callable that returns the document, a changed
            copy, or `Dropped`; or a `Deduplicator`.
        directory: Where results are stored, for all jobs; it may be removed at any time, to be rebuilt.
        executor: Who runs the filters: processes of this machine, Slurm, Ray or datatrove.

    Raises:
        ValueError: There is no source.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        filters: Mapping[str, FilterLike] | None = None,
        directory: str = "outputs/documents",
        executor: Executor | None = None,
    ):
        if not sources:
            raise ValueError("corpus.sources is empty: add one, as +corpus@corpus.sources.mine=text")
        self.sources = dict(sources)
        self.filters: dict[str, Filter] = {name: as_filter(step) for name, step in (filters or {}).items()}
        self.directory = Path(directory)
        self.executor = executor or LocalExecutor()

    @cached_property
    def store(self) -> StageStore:
        """The files of all steps."""
        return StageStore(self.directory, self.sources, self.filters)

    def fingerprint(self) -> str:
        return self.store.fingerprint

    @property
    def account(self) -> dict[str, Any] | None:
        """The account of a finished run, with pieces, steps, notes and reports; None before."""
        path = self.store.result / ACCOUNT
        return read_json(path) if is_written(path) else None

    @property
    def ledger(self) -> Ledger:
        """Counts of a finished run; zeros before."""
        account = self.account
        return Ledger(list(self.filters), account and account["steps"])

    @property
    def phases(self) -> list[Phase]:
        """The phases of a run, in order."""
        phases: list[Phase] = [ReadPhase(self.store)]
        first = 0
        for number, step in enumerate(self.filters.values()):
            if step.compares:
                phases += [FilterPhase(self.store, first, number, step)]
                phases += [PairPhase(self.store, number), ClusterPhase(self.store, number)]
                first = number + 1
        if first < len(self.filters):
            phases.append(FilterPhase(self.store, first, len(self.filters)))
        return [*phases, FinalizePhase(self.store)]

    def prepare(self) -> None:
        """Run the filters, unless they have run.

        Raises:
            ValueError: No document passes.
        """
        if self.account is None:
            for source in self.store.inputs.values():
                source.prepare()
            with self._lock():
                if self.account is None:  # another process may have finished while this one waited
                    self._run()
                    self._write_account()
        account = self.account
        if not account["kept"]:
            raise ValueError(_nothing_kept(account["steps"]))
        self.notes = tuple(account["notes"])

    def __iter__(self) -> Iterator[Document]:
        self.prepare()
        for name in self.account["pieces"]:
            yield from read_documents(self.store.result / name)

    def traces(self) -> Iterator[DocumentTrace]:
        """The trace of each document of the sources."""
        self.prepare()
        self._run()  # rebuilds outcomes that have been removed since
        for piece in self.store.pieces():
            yield from self.store.traces(piece)

    def describe(self) -> list[str]:
        """A line from each filter that describes itself."""
        return [f"{name}: {line}" for name, step in self.filters.items() if (line := step.describe())]

    def _run(self) -> None:
        """Run all phases, and give each source the tally of all its parts."""
        self.executor.run(self.phases)
        for name, source in self.store.inputs.items():
            tally = Tally()
            for part in self.store.parts_of(name):
                tally.merge(Tally(**read_json(self.store.reading_path(part))["tally"]))
            with errors_at(self.store.key(name), source):
                source.record_tally(tally)

    def _write_account(self) -> None:
        """Sum the accounts of all pieces."""
        store, ledger = self.store, Ledger(list(self.filters))
        pieces, reports, kept = [], dict[str, list[dict]](), 0
        for piece in store.pieces():
            account = read_json(store.account_path(piece))
            ledger.merge(account["steps"])
            kept += account["kept"]
            pieces += [store.kept_path(piece).name] * bool(account["kept"])
            for name, records in account["reports"].items():
                reports.setdefault(name, []).extend(records)
        notes = [f"{name}: {note}" for name, source in self.sources.items() for note in source.notes]
        account = {"pieces": pieces, "kept": kept, "steps": ledger.steps, "notes": notes, "reports": reports}
        write_json(store.result / ACCOUNT, account, synced=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock of the result: a second process waits, and finds the work done."""
        self.store.result.mkdir(parents=True, exist_ok=True)
        with open(self.store.result / ".lock", "a", encoding="utf-8") as lock:
            lock_file(lock, wait=True)
            yield


def _nothing_kept(steps: list[dict]) -> str:
    """The message for a funnel that drops everything, with the most frequent reason."""
    drops = [(counts["documents"], step["step"], name) for step in steps for name, counts in step["dropped"].items()]
    if not drops:
        return "the corpus is empty: its sources have no document with text"
    documents, step, reason = max(drops)
    return (
        f"no document of {steps[0]['documents']} passes the filters; {step} drops most, {documents}, by {reason!r}: "
        "look at them with show=3 (lm corpus), and change or remove that filter"
    )

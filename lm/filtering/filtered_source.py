"""Several sources through a funnel of filters, with every document accounted for."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from lm.config.faults import standing_at
from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import undamaged, write_atomically
from lm.filtering.clusters import Clusters, Pairs
from lm.filtering.executor import Executor, LocalExecutor
from lm.filtering.ledger import Ledger
from lm.filtering.phases import FilterPhase, FinalizePhase, Phase, Read, account_path
from lm.filtering.pieces import read_documents, read_plain
from lm.filtering.stages import StageStore
from lm.filtering.traces import Deduplicator, DocumentTrace, Filter

ACCOUNT = "account.json"
AGAIN = "remove this directory, and it will be made anew"


class FilteredSource(Source):
    """Documents of all `sources`, in their order, that every one of `filters` lets pass, in theirs.

    The filters run once, on all cores or wherever `executor` can; what they let pass is kept below `directory`, under a
    name that stands for the sources' content, the filters and their settings: any job that wants the same finds it
    there. What each filter made of each piece is kept as well: another filter, or another setting of one, needs only
    that one and those after it. An interrupted run goes on after its last piece, with the same result, whoever does it.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        filters: Mapping[str, Filter | Deduplicator] | None = None,
        directory: str = "outputs/documents",
        executor: Executor | None = None,
    ):
        if not sources:
            raise ValueError("corpus.sources is empty: add one, as +corpus@corpus.sources.mine=text")
        self.sources, self.filters = dict(sources), dict(filters or {})
        self.directory = Path(directory)
        self.executor = executor or LocalExecutor()

    @cached_property
    def course(self) -> StageStore:
        """Where each step keeps what it makes of the documents."""
        return StageStore(self.directory, self.sources, self.filters)

    def fingerprint(self) -> str:
        return self.course.fingerprint

    @property
    def account(self) -> dict[str, Any] | None:
        """What there is to say of a run that is over: pieces, steps, notes, reports."""
        path = self.course.result / ACCOUNT
        if not path.is_file():
            return None
        with undamaged(path, AGAIN):
            return json.loads(path.read_text(encoding="utf-8"))

    @property
    def ledger(self) -> Ledger:
        """What became of the documents, once they have been read."""
        account = self.account
        return Ledger(list(self.filters), account and account["steps"])

    @property
    def phases(self) -> list[Phase]:
        """All the work there is, in order."""
        phases: list[Phase] = [Read(self.course)]
        first = 0
        for last, unique in self.course.filters():
            if unique is not None or first < last:
                phases.append(FilterPhase(self.course, first, last, unique))
            if unique is not None:
                phases += [Pairs(self.course, last), Clusters(self.course, last)]
            first = last + 1
        return [*phases, FinalizePhase(self.course)]

    def prepare(self) -> None:
        """Run the filters, unless that is done."""
        if self.account is None:
            for source in self.course.readings.values():
                source.prepare()
            with self._claimed():
                if self.account is None:  # nobody has done it while we waited
                    self._run()
                    self._conclude()
        account = self.account
        if not account["kept"]:
            raise ValueError(_nothing_kept(account["steps"]))
        self.notes = tuple(account["notes"])

    def __iter__(self) -> Iterator[Document]:
        self.prepare()
        for name in self.account["pieces"]:
            yield from read_documents(self.course.result / name)

    def traces(self) -> Iterator[DocumentTrace]:
        """What has become of each document of the sources."""
        self.prepare()
        self._run()  # of what it takes to tell, something may have been removed
        for piece in self.course.pieces():
            yield from self.course.traces(piece)

    @property
    def told(self) -> list[str]:
        """What there is to know of filters before they run."""
        steps = ((name, step) for name, step in self.filters.items() if isinstance(step, Deduplicator))
        return [f"{name}: {told}" for name, step in steps if (told := step.told)]

    def _run(self) -> None:
        """Do the work that is not done."""
        self.executor.run(self.phases)
        self._tell()

    def _tell(self) -> None:
        """Let each source say what was found in all its parts."""
        for name, source in self.course.readings.items():
            tally = Tally()
            for part in self.course.parts_of(name):
                tally.add(Tally(**read_plain(self.course.account_path(part))["tally"]))
            with standing_at(self.course.key(name), source):
                source.tell(tally)

    def _conclude(self) -> None:
        """Add up what is said of the pieces."""
        course, ledger = self.course, Ledger(list(self.filters))
        pieces, reports, kept = [], dict[str, list[dict]](), 0
        for piece in course.pieces():
            path = course.kept_path(piece)
            account = read_plain(account_path(path))
            ledger.merge(account["steps"])
            kept += account["kept"]
            pieces += [path.name] * bool(account["kept"])
            for name, records in account["reports"].items():
                reports.setdefault(name, []).extend(records)
        notes = [f"{name}: {note}" for name, source in self.sources.items() for note in source.notes]
        account = {"pieces": pieces, "kept": kept, "steps": ledger.steps, "notes": notes, "reports": reports}
        write_atomically(course.result / ACCOUNT, json.dumps(account, indent=1, ensure_ascii=False))

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Run it alone: whoever comes second waits, and finds what the first has done."""
        self.course.result.mkdir(parents=True, exist_ok=True)
        with open(self.course.result / ".lock", "a") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            yield


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

"""Who does the work of a funnel: processes of this machine, or whatever `datatrove` can use."""

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from typing import Any

from lm.bounds import Count
from lm.filtering.phases import Phase
from lm.process.ranks import cores, end_with
from lm.progress import bar


class Executor(ABC):
    """Does all the work of a phase before the next begins."""

    @abstractmethod
    def run(self, phases: Sequence[Phase]) -> None:
        """Do the work of the phases, in their order."""


class LocalExecutor(Executor):
    """Processes of this machine, `workers` of them (null: one a core), once there is work for more than one.

    They are spawned, not forked: threads of libraries do not survive a fork.
    """

    def __init__(self, *, workers: Count | None = None):
        self.workers = workers or cores()

    def run(self, phases: Sequence[Phase]) -> None:
        with ExitStack() as stack:
            pool = None
            for number, phase in enumerate(phases):
                items = [item for item in phase.items() if not phase.done(item)]
                if self.workers > 1 and len(items) > 1 and pool is None:
                    pool = stack.enter_context(_pool(self.workers, phases))
                with bar(len(items), label=phase.label, unit=phase.unit) as shown:
                    for _ in _done(pool, number, phase, items):
                        shown.update()


def _done(pool: ProcessPoolExecutor | None, number: int, phase: Phase, items: Sequence[Any]) -> Iterator[None]:
    """Each item, once it is done."""
    if pool is None or len(items) == 1:
        for item in items:
            yield phase.work(item)
        return
    futures = [pool.submit(_call, number, item) for item in items]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise ValueError(
            f"{phase.label}: a process was ended from outside, as where memory runs out: the same command goes on; "
            "fewer corpus.executor.workers take less memory"
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _pool(workers: int, phases: Sequence[Phase]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=partial(_settle, list(phases), os.getpid())
    )


_phases: list[Phase] = []  # of this process, once it is a worker


def _settle(phases: list[Phase], parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends us
    end_with(parent)
    _phases[:] = phases


def _call(number: int, item: Any) -> None:
    _phases[number].work(item)

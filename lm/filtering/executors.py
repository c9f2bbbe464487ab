"""Who runs the phases of a funnel: processes of this machine, or the executors of `datatrove`."""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from time import sleep
from typing import TYPE_CHECKING, Any

from lm.bounds import Count
from lm.filtering.phases import Phase
from lm.process.limits import cores
from lm.process.ranks import die_with_parent
from lm.progress import bar

if TYPE_CHECKING:
    from datatrove.executor.base import PipelineExecutor

POLL = 5  # seconds between two queries of the queue
MISSES = 3  # queries in a row without the job before its undone tasks count as failed


class Executor(ABC):
    """Runs all items of a phase before the next phase begins."""

    @abstractmethod
    def run(self, phases: Sequence[Phase]) -> None:
        """Run the phases in order; items that are done are skipped."""


class LocalExecutor(Executor):
    """Run a funnel in processes of this machine; a single item runs in the calling process.

    Processes are spawned, not forked: the threads of libraries do not survive a fork.

    Args:
        workers: Number of processes; null for one per core.
    """

    def __init__(self, *, workers: Count | None = None):
        self.workers = workers or cores()

    def run(self, phases: Sequence[Phase]) -> None:
        with ExitStack() as stack:
            pool = None
            for number, phase in enumerate(phases):
                items = [item for item in phase.items() if not phase.is_done(item)]
                if self.workers > 1 and len(items) > 1 and pool is None:
                    pool = stack.enter_context(_pool(self.workers, phases))
                with bar(len(items), label=phase.label, unit=phase.unit) as progress:
                    for _ in _run(pool, number, phase, items):
                        progress.update()


def _run(pool: ProcessPoolExecutor | None, number: int, phase: Phase, items: Sequence[Any]) -> Iterator[None]:
    """Yield after each item."""
    if pool is None or len(items) == 1:
        for item in items:
            yield phase.run(item)
        return
    futures = [pool.submit(_run_in_worker, number, item) for item in items]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise ValueError(
            f"{phase.label}: a worker process was killed, perhaps because memory ran out; run the same command again "
            "to resume, with fewer corpus.executor.workers to use less memory"
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _pool(workers: int, phases: Sequence[Phase]) -> ProcessPoolExecutor:
    initializer = partial(_initialize, list(phases), os.getpid())
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=initializer)


_phases: list[Phase] = []  # set in each worker process, so that phases are pickled once


def _initialize(phases: list[Phase], parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it, and ends its workers
    die_with_parent(parent)
    _phases[:] = phases


def _run_in_worker(number: int, item: Any) -> None:
    _phases[number].run(item)


class DatatroveExecutor(Executor):
    """Run each phase by an executor of `datatrove`, as tasks on this machine or on a Ray cluster.

    All machines must see the same directories and have the same version of lm. Tasks log to `logs`.

    Args:
        make: Factory of the datatrove executor, called with `pipeline` and `logging_dir`; it sets the number of tasks.
        logs: Directory for the logs of tasks, one subdirectory per phase.
    """

    def __init__(self, make: Callable[..., "PipelineExecutor"], *, logs: str = "outputs/documents/logs"):
        self.make, self.logs = make, Path(logs)

    def run(self, phases: Sequence[Phase]) -> None:
        for number, phase in enumerate(phases):
            if all(map(phase.is_done, phase.items())):
                continue
            logs = self.logs / f"{number:02d}-{phase.label}"
            rmtree(logs, ignore_errors=True)  # datatrove skips tasks marked complete here; our files say what is done
            self.launch(self.make(pipeline=[phase], logging_dir=str(logs.absolute())))
            if left := [item for item in phase.items() if not phase.is_done(item)]:
                raise ValueError(
                    f"{phase.label}: {len(left)} of {len(phase.items())} {phase.unit}s were not done: see {logs}/logs; "
                    "run the same command again to resume"
                )

    def launch(self, executor: "PipelineExecutor") -> None:
        """Run all tasks, and return when they have ended."""
        executor.run()


class SlurmExecutor(DatatroveExecutor):
    """Run each phase as an array job of Slurm, and wait for it.

    Args:
        make: Factory of the datatrove executor for Slurm, called with `pipeline` and `logging_dir`.
        logs: Directory for the logs of tasks, one subdirectory per phase.
    """

    def launch(self, executor: "PipelineExecutor") -> None:
        try:
            executor.run()
        except (OSError, subprocess.CalledProcessError) as error:
            raise ValueError(
                f"Slurm rejected the job ({error}; its message is above): check partition, time, memory and "
                "sbatch_args of corpus.executor.make, and that sbatch is installed"
            ) from error
        misses = 0
        while executor.get_incomplete_ranks(skip_completed=True) and misses < MISSES:
            sleep(POLL)
            command = ["squeue", "--noheader", "--jobs", str(executor.job_id)]
            queue = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            misses = 0 if queue.strip() else misses + 1

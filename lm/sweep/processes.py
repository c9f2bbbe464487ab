"""Jobs of a sweep in fresh processes of this machine, several at once."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from time import sleep

from lm.process.signal_support import IN_GROUP, ask_to_stop
from lm.sweep.job import CONSOLE, Job, Outcome, read_outcome, write_job

POLL = 0.05  # seconds


@dataclass(frozen=True)
class _Started:
    number: int
    slot: int
    process: Popen


def in_processes(
    jobs: Mapping[int, Job], directory: Path, *, at_once: int, devices: Sequence[str] | None = None
) -> dict[int, Outcome]:
    """Run each job in a process of its own and return their outcomes.

    A signal is passed on; the jobs save and are waited for. If this process is killed, they are killed too.

    Args:
        jobs: Number in the sweep → job.
        directory: Directory of the job files; with `at_once` above 1 also of logs, as the output would mix.
        at_once: Jobs that run at the same time, each on its share of the cores.
        devices: CUDA_VISIBLE_DEVICES of each of them.
    """
    outcomes: dict[int, Outcome] = {}
    waiting, started = list(jobs), []
    try:
        while waiting or started:
            free = sorted({*range(at_once)} - {each.slot for each in started})
            for slot, number in zip(free, waiting[: len(free)], strict=False):
                file = directory / f"{number}.json"
                write_job(jobs[number], file)
                started.append(_Started(number, slot, _start(file, jobs[number], slot, at_once, devices)))
            waiting = waiting[len(free) :]
            sleep(POLL)
            for each in [each for each in started if each.process.poll() is not None]:
                started.remove(each)
                outcomes[each.number] = _ended(each, jobs[each.number], directory, printed=at_once == 1)
    finally:
        for each in started:
            with suppress(ProcessLookupError):
                ask_to_stop(each.process, signal.SIGTERM)
        for each in started:
            each.process.wait()
    return outcomes


def _start(file: Path, job: Job, slot: int, at_once: int, devices: Sequence[str] | None) -> Popen:
    command = [sys.executable, "-m", "lm", "_job", str(file), str(os.getpid())]
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": devices[slot]} if devices else {})}
    with _share_of_cores(slot, at_once):
        if at_once == 1:
            return Popen(command, env=environment, **IN_GROUP)
        log = file.with_suffix(".log")
        CONSOLE.line(f"{job.name}: log in {log}")
        with open(log, "wb") as output:
            return Popen(command, env=environment, stdout=output, stderr=output, **IN_GROUP)


def _ended(started: _Started, job: Job, directory: Path, *, printed: bool) -> Outcome:
    code = started.process.returncode
    code = 128 - code if code < 0 else code or 1
    file = directory / f"{started.number}.json"
    outcome = read_outcome(job, file, code=code, error=f"its process exited with {code}, as if it was killed")
    if outcome.code and not printed:
        print(f"error: {job.name}: {outcome.error}", file=sys.stderr)
    return outcome


@contextmanager
def _share_of_cores(slot: int, of: int) -> Iterator[None]:
    """Give a process that is started inside every `of`-th core, so that its threads do not wait for the others'."""
    if of == 1 or "sched_setaffinity" not in dir(os):
        yield
        return
    all_of_them = os.sched_getaffinity(0)
    cores = sorted(all_of_them)
    os.sched_setaffinity(0, cores[slot::of] or {cores[slot % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)

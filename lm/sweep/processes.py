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

from lm.sweep.handed import hand_over, handed_back
from lm.sweep.job import Job, Outcome

POLL = 0.05  # seconds


@dataclass(frozen=True)
class _Started:
    number: int
    slot: int
    process: Popen


def in_processes(
    jobs: Mapping[int, Job], directory: Path, *, at_once: int, devices: Sequence[str] | None = None
) -> dict[int, Outcome]:
    """Carry each job out in a process, at most `at_once` at a time; what they print goes to files if it would mingle.

    Each has its share of the cores, and `devices` names the GPUs of each. A signal is passed on: the jobs save, and are
    waited for. Killed, this process takes them with it.
    """
    outcomes: dict[int, Outcome] = {}
    waiting, started = list(jobs), []
    try:
        while waiting or started:
            free = sorted({*range(at_once)} - {each.slot for each in started})
            for slot, number in zip(free, waiting[: len(free)], strict=False):
                file = directory / f"{number}.json"
                hand_over(jobs[number], file)
                started.append(_Started(number, slot, _start(file, jobs[number], slot, at_once, devices)))
            waiting = waiting[len(free) :]
            sleep(POLL)
            for each in [each for each in started if each.process.poll() is not None]:
                started.remove(each)
                outcomes[each.number] = _ended(each, jobs[each.number], directory, told=at_once == 1)
    finally:
        for each in started:
            with suppress(ProcessLookupError):
                each.process.send_signal(signal.SIGTERM)
        for each in started:
            each.process.wait()
    return outcomes


def _start(file: Path, job: Job, slot: int, at_once: int, devices: Sequence[str] | None) -> Popen:
    command = [sys.executable, "-m", "lm", "_job", str(file), str(os.getpid())]
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": devices[slot]} if devices else {})}
    with _share_of_cores(slot, at_once):
        if at_once == 1:
            return Popen(command, env=environment)
        log = file.with_suffix(".log")
        print(f"sweep       {job.name}: what it prints goes to {log}", flush=True)
        with open(log, "wb") as output:
            return Popen(command, env=environment, stdout=output, stderr=output)


def _ended(started: _Started, job: Job, directory: Path, *, told: bool) -> Outcome:
    code = started.process.returncode
    code = 128 - code if code < 0 else code or 1
    file = directory / f"{started.number}.json"
    outcome = handed_back(job, file, code=code, error=f"its process ended with {code}, as if by a kill")
    if outcome.code and not told:
        print(f"error: {job.name}: {outcome.error}", file=sys.stderr)
    return outcome


@contextmanager
def _share_of_cores(slot: int, of: int) -> Iterator[None]:
    """Let a process that is started inside have every `of`-th core, so that its threads do not wait for the others'."""
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

"""Jobs of a sweep on a Slurm cluster, submitted as one array."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from lm.directory import Interrupted
from lm.process.ranks import is_first_process
from lm.process.signal_support import ANNOUNCED
from lm.sweep.job import CONSOLE, Job, Outcome, has_outcome, read_outcome, run_job_file, write_job

WARNING = 120  # seconds between the signal to save and the time limit
POLL = 0.5  # seconds between checks for outcomes
FILE_DELAY = 15  # seconds that an outcome may take to appear on a network file system
# States in which a job has ended; from all others, such as SUSPENDED, REQUEUED or CONFIGURING, it comes back.
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
UNKNOWN = "UNKNOWN"  # the queue forgets a job some minutes after its end


@dataclass(frozen=True)
class Submitted:
    """What each task of a Slurm job calls. Before its time limit training saves and the job is queued again."""

    file: Path
    run: Callable[[Job], Outcome]

    def __call__(self) -> int:
        try:
            code = run_job_file(self.file, self.run)
        except Interrupted as interrupted:
            if not is_first_process():  # exit code 0: otherwise srun would end the first rank, which is still saving
                raise SystemExit(0) from None
            if interrupted.signal_number == ANNOUNCED:
                _queue_again()
            raise SystemExit(128 + interrupted.signal_number) from None
        if code:
            raise SystemExit(code)  # srun then ends the other ranks, which may wait for this one
        return code

    def checkpoint(self) -> Any:
        """What submitit submits again if the signal comes before training has started."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def on_slurm(
    jobs: Mapping[int, Job], directory: Path, *, run: Callable[[Job], Outcome], parameters: Mapping[str, Any]
) -> dict[int, Outcome]:
    """Submit the jobs as an array and wait for their outcomes; an interruption leaves them in the queue."""
    from submitit import SlurmExecutor

    if not shutil.which("sbatch"):
        raise ValueError("hydra/launcher=slurm: sbatch was not found: run it where jobs are submitted to Slurm")
    directory = directory.absolute()
    executor = SlurmExecutor(directory / "slurm")
    executor.update_parameters(**parameters)
    files = {number: directory / f"{number}.json" for number in jobs}
    for number, job in jobs.items():
        write_job(job, files[number])
    with executor.batch():
        submitted = {number: executor.submit(Submitted(file, run)) for number, file in files.items()}
    for number, each in submitted.items():
        CONSOLE.line(f"{jobs[number].name}: Slurm job {each.job_id}, log {each.paths.stdout}")
    try:
        states = _wait({each.job_id: files[number] for number, each in submitted.items()})
    except BaseException:
        numbers = " ".join(sorted({each.job_id.partition("_")[0] for each in submitted.values()}))
        CONSOLE.warn(f"\nthe jobs of the sweep stay queued or running; scancel {numbers} ends them")
        raise
    return {
        number: read_outcome(jobs[number], files[number], code=1, error=_no_outcome(each, states[each.job_id]))
        for number, each in submitted.items()
    }


def _wait(files: Mapping[str, Path]) -> dict[str, str]:
    """Wait until each Slurm job has written its outcome or has ended; return the states of those that ended."""
    started_at = checked_at = monotonic()
    states: dict[str, str] = {}
    while running := [job for job, file in files.items() if job not in states and not has_outcome(file)]:
        sleep(POLL)
        if monotonic() - checked_at > min(60, max(2, (checked_at - started_at) / 4)):  # seconds, growing
            states |= ended(running)
            checked_at = monotonic()
    until = monotonic() + FILE_DELAY
    while monotonic() < until and not all(map(has_outcome, files.values())):
        sleep(POLL)
    return {**dict.fromkeys(files, ""), **states}


def _no_outcome(job: Any, state: str) -> str:
    """Why a job has no outcome: its state in Slurm, and the last line of its error stream."""
    *_, last = (job.task(0).stderr() or "").strip().splitlines() or ["it printed nothing"]
    return f"Slurm job {job.job_id} ended as {state}: {last}"


def _queue_again() -> None:
    """Make Slurm queue this job again when it ends."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    subprocess.run(["scontrol", "requeue", name], check=True)


def ended(jobs: Iterable[str]) -> dict[str, str]:
    """The states of those `jobs` (7, or 7_0 of an array) that have ended; empty if Slurm does not answer.

    From the queue alone: sacct answers only where a cluster keeps accounts.
    """
    pending = set(jobs)
    numbers = ",".join(sorted({each.partition("_")[0] for each in pending}))
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T", f"--jobs={numbers}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode and "Invalid job id" not in listed.stderr:
        return {}
    found = dict(re.findall(r"^(\S+) (\S+)", listed.stdout, re.MULTILINE))
    states = {each: found.get(each, UNKNOWN) for each in pending}
    return {each: state for each, state in states.items() if state in {*ENDED, UNKNOWN}}


def parameters(
    *,
    nodes: int,
    tasks: int,
    gpus: int | None,
    cores: int | None,
    memory: str | None,
    minutes: int,
    partition: str | None,
    account: str | None,
    qos: str | None,
    requeue: bool,
    at_once: int,
    setup: list[str] | None,
) -> dict[str, Any]:
    """The settings by submitit's names. The signal is one after which training saves; submitit's own would kill it."""
    return {
        "nodes": nodes,
        "ntasks_per_node": tasks,
        "gpus_per_node": gpus,
        "cpus_per_task": cores,
        "mem": memory,
        "time": minutes,
        "partition": partition,
        "account": account,
        "qos": qos,
        "array_parallelism": at_once,
        "srun_args": ["--kill-on-bad-exit=1"],
        "setup": ["export SUBMITIT_PREEMPT_SIGNAL=USR1", *(setup or [])],
        "additional_parameters": {"signal": f"USR1@{WARNING}", ("requeue" if requeue else "no-requeue"): True},
        "job_name": "lm",
        "wckey": "lm",
    }

"""Jobs of a sweep on a Slurm cluster, submitted as one array."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from lm.process.ranks import is_first_process
from lm.run import Interrupted
from lm.sweep.handed import carry_out_handed, hand_over, handed_back, has_reported
from lm.sweep.job import Job, Outcome
from lm.sweep.slurm_queue import ended

WARNING = 120  # seconds before its time is up that a job is told to save
POLL = 0.5  # seconds between looks at whether a job has reported
LATE = 15  # seconds that a report may take to be seen from here, over a network


@dataclass(frozen=True)
class Submitted:
    """What each task of a Slurm job calls. Told that its time is up, training has saved, and the job queues again."""

    file: Path
    carry_out: Callable[[Job], Outcome]

    def __call__(self) -> int:
        try:
            code = carry_out_handed(self.file, self.carry_out)
        except Interrupted as interrupted:
            if not is_first_process():  # without a fault, or srun would end the first, which is not done yet
                raise SystemExit(0) from None
            if interrupted.signal_number == signal.SIGUSR1:
                _queue_again()
            raise SystemExit(128 + interrupted.signal_number) from None
        if code:
            raise SystemExit(code)  # srun then ends the other ranks, which may wait for this one
        return code

    def checkpoint(self) -> Any:
        """What submitit asks for where the signal comes before training has begun: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def on_slurm(
    jobs: Mapping[int, Job], directory: Path, *, carry_out: Callable[[Job], Outcome], parameters: Mapping[str, Any]
) -> dict[int, Outcome]:
    """Submit the jobs and wait for them. Interrupted, this process leaves them in the queue."""
    from submitit import SlurmExecutor

    if not shutil.which("sbatch"):
        raise ValueError("hydra/launcher=slurm: there is no sbatch here: run it where jobs are submitted to Slurm")
    directory = directory.absolute()
    executor = SlurmExecutor(directory / "slurm")
    executor.update_parameters(**parameters)
    files = {number: directory / f"{number}.json" for number in jobs}
    for number, job in jobs.items():
        hand_over(job, files[number])
    with executor.batch():
        submitted = {number: executor.submit(Submitted(file, carry_out)) for number, file in files.items()}
    for number, each in submitted.items():
        print(f"sweep       {jobs[number].name}: Slurm job {each.job_id}, log {each.paths.stdout}", flush=True)
    try:
        states = _wait({each.job_id: files[number] for number, each in submitted.items()})
    except BaseException:
        numbers = " ".join(sorted({each.job_id.partition("_")[0] for each in submitted.values()}))
        print(f"\nsweep       the jobs stay in the queue, or go on; scancel {numbers} would end them", file=sys.stderr)
        raise
    return {
        number: handed_back(jobs[number], files[number], code=1, error=_without_a_word(each, states[each.job_id]))
        for number, each in submitted.items()
    }


def _wait(files: Mapping[str, Path]) -> dict[str, str]:
    """Until each of the Slurm jobs has reported in its file, or has come to its end; the states of those at theirs."""
    began = asked = monotonic()
    states: dict[str, str] = {}
    while waited_for := [job for job, file in files.items() if job not in states and not has_reported(file)]:
        sleep(POLL)
        if monotonic() - asked > min(60, max(2, (asked - began) / 4)):  # seconds: more and more rarely
            states |= ended(waited_for)
            asked = monotonic()
    late = monotonic() + LATE
    while monotonic() < late and not all(map(has_reported, files.values())):
        sleep(POLL)
    return {**dict.fromkeys(files, ""), **states}


def _without_a_word(job: Any, state: str) -> str:
    """Why a job has not reported: how Slurm says it ended, and the last line it wrote."""
    *_, last = (job.task(0).stderr() or "").strip().splitlines() or ["it said nothing"]
    return f"Slurm job {job.job_id} ended as {state}: {last}"


def _queue_again() -> None:
    """Let Slurm start this job once more, when it has ended."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    subprocess.run(["scontrol", "requeue", name], check=True)


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
    """What submitit calls these. The signal is one that training saves upon; submitit's own it would die of."""
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

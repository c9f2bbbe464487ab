"""Jobs of a sweep on a Slurm cluster, submitted as one array."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm.ranks import is_first_process
from lm.run import Interrupted
from lm.sweep.handed import carry_out_handed, hand_over, handed_back
from lm.sweep.job import Job, Outcome

WARNING = 120  # seconds before its time is up that a job is told to save


@dataclass(frozen=True)
class Submitted:
    """What each task of a Slurm job calls. Told that its time is up, training has saved, and the job queues again."""

    file: Path
    carry_out: Callable[[Job], Outcome]

    def __call__(self) -> int:
        try:
            return carry_out_handed(self.file, self.carry_out)
        except Interrupted as interrupted:
            if interrupted.signal_number == signal.SIGUSR1 and is_first_process():
                array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
                name = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
                subprocess.run(["scontrol", "requeue", name], check=True)
            raise SystemExit(128 + interrupted.signal_number) from None

    def checkpoint(self) -> Any:
        """What submitit asks for where the signal comes before training has begun: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def on_slurm(
    jobs: Mapping[int, Job], directory: Path, *, carry_out: Callable[[Job], Outcome], parameters: Mapping[str, Any]
) -> dict[int, Outcome]:
    """Submit the jobs and wait for them. Interrupted, this process leaves them in the queue."""
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError, UncompletedJobError

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
    outcomes = {}
    for number, each in submitted.items():
        error = ""
        try:
            each.results()
        except (FailedJobError, UncompletedJobError) as refusal:
            error = f"Slurm job {each.job_id} ended as {each.state}: {str(refusal).strip().splitlines()[-1]}"
        outcomes[number] = handed_back(jobs[number], files[number], code=1, error=error)
    return outcomes


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
        "setup": ["export SUBMITIT_PREEMPT_SIGNAL=USR1", *(setup or [])],
        "additional_parameters": {"signal": f"USR1@{WARNING}", ("requeue" if requeue else "no-requeue"): True},
        "job_name": "lm",
        "wckey": "lm",
    }

"""The work of a funnel by the executors of `datatrove`: here, on a Ray cluster, or by Slurm."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from time import sleep
from typing import TYPE_CHECKING

from lm.filtering.executor import Executor
from lm.filtering.phases import Phase

if TYPE_CHECKING:
    from datatrove.executor.base import PipelineExecutor

WAIT = 5  # seconds between two looks at whether all tasks are done
GONE = 3  # looks at which a job is not in the queue and yet has tasks undone


class DatatroveExecutor(Executor):
    """Each phase is one run of the executor that `make` makes, of as many tasks as that is set to have.

    All machines have to see the same directories, and have the same version of lm. What tasks say lies in `logs`.
    """

    def __init__(self, make: Callable[..., "PipelineExecutor"], *, logs: str = "outputs/documents/logs"):
        self.make, self.logs = make, Path(logs)

    def run(self, phases: Sequence[Phase]) -> None:
        for number, phase in enumerate(phases):
            if all(map(phase.done, phase.items())):
                continue
            logs = self.logs / f"{number:02d}-{phase.label}"
            rmtree(logs, ignore_errors=True)  # they also say what is done, which here the files do
            executor = self.make(pipeline=[phase], logging_dir=str(logs.absolute()))
            self.launch(executor)
            if left := [item for item in phase.items() if not phase.done(item)]:
                raise ValueError(
                    f"{phase.label}: {len(left)} of {len(phase.items())} {phase.unit}s were not done: see {logs}/logs; "
                    "the same command goes on"
                )

    def launch(self, executor: "PipelineExecutor") -> None:
        """Run all tasks, and return when they are over."""
        executor.run()


class SlurmExecutor(DatatroveExecutor):
    """The same for one that leaves its work to a queue, and does not wait for it."""

    def launch(self, executor: "PipelineExecutor") -> None:
        try:
            executor.run()
        except (OSError, subprocess.CalledProcessError) as error:
            raise ValueError(
                f"Slurm does not take the work ({error}; what it says stands above): see partition, time, memory and "
                "sbatch_args of corpus.executor.make, and whether sbatch is there"
            ) from error
        gone = 0
        while executor.get_incomplete_ranks(skip_completed=True) and gone < GONE:
            sleep(WAIT)
            command = ["squeue", "--noheader", "--jobs", str(executor.job_id)]
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            gone = 0 if found.stdout.strip() else gone + 1

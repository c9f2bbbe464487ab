"""One job of a sweep and its outcome as plain data, so that any process can run it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from lm.directory import Interrupted
from lm.files import FORBIDDEN, WINDOWS, write_atomically
from lm.process.ranks import is_first_process
from lm.progress import Console
from lm.sweep.metric import Metric, Mode

CONSOLE = Console("sweep")


@dataclass(frozen=True)
class Job:
    """A job with its plain config; `overrides` are those that differ from the other jobs of the sweep."""

    name: str
    overrides: list[str]
    directory: str  # "" if the job has no run
    node: dict[str, Any]
    command: str = ""  # of the sweep


@dataclass(frozen=True)
class Outcome:
    """What a job returned, or its exit code and error: an exception would be reported in Hydra's words."""

    name: str
    overrides: list[str]
    directory: str
    value: Any = None
    metric: str = ""  # what the value measures, if the job says so
    mode: Mode = "min"  # whether the lowest or the highest value is the best
    code: int = 0
    error: str = ""
    pruned_at: int | None = None  # step; `value` is that of the validation there

    @property
    def number(self) -> float | None:
        """The value that sweeps compare; None if the job returned anything but one number."""
        return float(self.value) if isinstance(self.value, int | float) and not isinstance(self.value, bool) else None

    def returning(self, value: Any) -> "Outcome":
        """The same job with what it returned; a `Metric` gives its name and mode too."""
        if isinstance(value, Metric):
            return replace(self, value=float(value), metric=value.name, mode=value.mode)
        return replace(self, value=value)


class Pruned(Interrupted):
    """A job of a search saved and ended early because other trials are better. Its ranks exit as after a signal."""

    def __init__(self, value: Metric, *, step: int, steps: int):
        super().__init__(0, f"pruned at step {step} of {steps}")
        self.value, self.step = value, step


def sweep_name(overrides: Sequence[str]) -> str:
    """The name of a job's directory in its sweep, unique by the overrides.

    `/` is written %2F: as itself it would make directories, and another sign may be part of a value.
    """
    differing = [each for each in overrides if not each.lstrip("+~").startswith("run.")]
    reserved = "%/" + (FORBIDDEN if WINDOWS else "")
    name = "".join(f"%{ord(each):02X}" if each in reserved else each for each in ",".join(differing))
    if len(name.encode()) <= 150:
        return name
    return f"{name[:50]}…{blake2b(name.encode(), digest_size=4).hexdigest()}"


def write_job(job: Job, file: Path) -> None:
    """Write a job for another process, and remove the outcome of an earlier one."""
    _outcome_file(file).unlink(missing_ok=True)
    write_atomically(file, json.dumps(asdict(job), ensure_ascii=False))


def run_job_file(file: Path, run: Callable[[Job], Outcome]) -> int:
    """Run the job in a file and return its exit code. The first rank writes the outcome beside the file."""
    outcome = run(Job(**json.loads(file.read_bytes())))
    if is_first_process():
        write_atomically(_outcome_file(file), json.dumps(asdict(outcome), ensure_ascii=False))
    return outcome.code


def has_outcome(file: Path) -> bool:
    """Whether the outcome of the job in a file is written."""
    return _outcome_file(file).exists()


def read_outcome(job: Job, file: Path, *, code: int, error: str) -> Outcome:
    """The outcome of the job in a file; with `code` and `error` if its process ended without writing one."""
    try:
        return Outcome(**json.loads(_outcome_file(file).read_bytes()))
    except FileNotFoundError:
        return Outcome(job.name, job.overrides, job.directory, code=code, error=error)


def _outcome_file(file: Path) -> Path:
    return file.with_suffix(".outcome.json")

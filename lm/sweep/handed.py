"""A job handed to another process in a file, and what became of it handed back in another."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from lm.files import write_atomically
from lm.process.ranks import is_first_process
from lm.sweep.job import Job, Outcome


def hand_over(job: Job, file: Path) -> None:
    _outcome_of(file).unlink(missing_ok=True)
    write_atomically(file, json.dumps(asdict(job), ensure_ascii=False))


def carry_out_handed(file: Path, carry_out: Callable[[Job], Outcome]) -> int:
    """What the other process does; gives its exit code. Of several ranks the first reports."""
    outcome = carry_out(Job(**json.loads(file.read_bytes())))
    if is_first_process():
        write_atomically(_outcome_of(file), json.dumps(asdict(outcome), ensure_ascii=False))
    return outcome.code


def has_reported(file: Path) -> bool:
    """Whether the other process has said what became of the job."""
    return _outcome_of(file).exists()


def handed_back(job: Job, file: Path, *, code: int, error: str) -> Outcome:
    """What became of it; `code` and `error` say why where the process ended without a word."""
    try:
        return Outcome(**json.loads(_outcome_of(file).read_bytes()))
    except FileNotFoundError:
        return Outcome(job.name, job.overrides, job.directory, code=code, error=error)


def _outcome_of(file: Path) -> Path:
    return file.with_suffix(".outcome.json")

"""Run a job from Python as the command does, in the same directory, with the same refusals."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from lm.cli.call import call_job
from lm.cli.words import Words
from lm.config.command import examine_command
from lm.config.composition import COMPOSITION_ERRORS, Composition, leave_hydra
from lm.config.faults import did_you_mean
from lm.config.hydra_errors import one_line
from lm.config.outline import config_directory, jobs, outline
from lm.config.overrides import quoted_as_needed
from lm.config.short_form import full_forms
from lm.directory.layout import MANIFEST
from lm.directory.manifest import read_manifest
from lm.process.command import carrying_out
from lm.process.library_warnings import warnings_in_one_line
from lm.process.signals import Interrupted
from lm.report.run.facts import RunFacts


@dataclass(frozen=True)
class FinishedRun:
    """A run that `lm.run` has finished, or found complete.

    Args:
        job: Its job.
        directory: Where it lies; None for a job without a run, such as `doctor`.
        value: What the job returned.
    """

    job: str
    directory: Path | None
    value: Any = field(default=None, repr=False)

    @property
    def manifest(self) -> dict[str, Any]:
        """What it was made from and what came of it; empty without a run."""
        return read_manifest(self.directory) if self.directory else {}

    @property
    def result(self) -> Any:
        """What the run recorded, such as its last validation; without a run, what the job returned."""
        return self.manifest.get("result", {}) if self.directory else self.value

    @property
    def metrics(self) -> dict[str, tuple[list[int], list[float]]]:
        """Each metric of a training run with its steps and values; empty for other jobs."""
        return RunFacts(self.directory).metrics if self.directory else {}


def run(job: str, *overrides: str, config_dir: str | Path | None = None, quiet: bool = False) -> FinishedRun:
    """Run a job as `lm JOB OVERRIDES` does: the same again resumes it, or finds it complete.

    Signal handlers, environment variables, the working directory and the threads of torch are afterwards as before.

    Args:
        job: Name of the job, as pretrain.
        overrides: Words of the command, as "model=tiny", "budget.tokens=100000", "run.name=first".
        config_dir: Directory of YAML files of your own; None for none.
        quiet: Whether what the job prints is kept back.

    Returns:
        The finished run.

    Raises:
        ValueError: The command has faults, each in a line of the message, or the job refuses what it was given.
        OSError: A file is missing, or cannot be written.
        KeyboardInterrupt: The run was interrupted, after it has saved.
    """
    node = _composed(job, [*overrides], Path(config_dir) if config_dir else None)
    run_node = node.get("run")
    words = ["lm", job, *(["--config-dir", str(config_dir)] if config_dir else []), *overrides]
    with _as_before(), _silence(quiet), warnings_in_one_line(), carrying_out(words):
        try:
            value = call_job(node)
        except Interrupted as interruption:
            raise KeyboardInterrupt(f"{interruption.message}: {shlex.join(words)} resumes it") from None
    directory = Path(run_node["root"], run_node["job"], run_node["name"]) if run_node else None
    found = directory if directory and (directory / MANIFEST).is_file() else None
    return FinishedRun(job, found, value)


def _composed(job: str, overrides: list[str], extra: Path | None) -> dict[str, Any]:
    """The checked config of the job."""
    places = [config_directory(), *([extra] if extra else [])]
    known = jobs(places)
    if job not in known:
        raise ValueError(f"there is no job {job}{did_you_mean(job, known)}")
    words = Words(job, full_forms(overrides, outline(job, places).groups), places, flags=[])
    composition = Composition(job, directory=config_directory(), extra=extra)
    typed = list(words.mended)
    typed = [quoted_as_needed(composition, each, multirun=False, command=typed) for each in typed]
    try:
        node, faults = examine_command(composition, typed, multirun=False)
    except COMPOSITION_ERRORS as error:
        node, faults = None, [one_line(error)]
    finally:
        leave_hydra()
    faults = [*words.faults, *faults]
    if faults or node is None:
        raise ValueError("\n".join(map(str, faults)) or "lm.run runs one job: leave out what makes it a sweep")
    return node


@contextmanager
def _as_before() -> Iterator[None]:
    """Restore what a job may set for its own process."""
    import torch

    environment, place, threads = dict(os.environ), Path.cwd(), torch.get_num_threads()
    try:
        yield
    finally:
        _restore(environment)
        os.chdir(place)
        torch.set_num_threads(threads)


def _restore(environment: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


@contextmanager
def _silence(quiet: bool) -> Iterator[None]:
    if not quiet:
        yield
        return
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield

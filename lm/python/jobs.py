"""Run a job from Python as the command does, in the same directory, with the same refusals."""

import shlex
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from threading import RLock
from typing import Any

from lm.cli.call import call_job
from lm.cli.words import Words
from lm.config.advice import no_such_job
from lm.config.command import EACH_IN_TURN, examine_command
from lm.config.composition import COMPOSITION_ERRORS, Composition, leave_hydra
from lm.config.hydra_errors import one_line
from lm.config.outline import config_directory, jobs, outline
from lm.config.overrides import quoted_as_needed
from lm.config.short_form import compared, full_forms
from lm.directory.layout import MANIFEST
from lm.directory.manifest import read_manifest
from lm.process.command import carrying_out
from lm.process.library_warnings import warnings_in_one_line
from lm.process.signals import Interrupted, in_process_of_caller
from lm.python.apart import ranks_here, run_apart
from lm.python.process_state import process_as_before
from lm.python.refusal import RefusedError, refusing
from lm.report.run.facts import RunFacts

# What a flag of the command is here.
FLAGS = dict.fromkeys(("-m", "--multirun"), "lm.run runs one job: call it for each value") | {
    **dict.fromkeys(("-cd", "--config-dir"), 'write config_dir="…" after the words'),
    **dict.fromkeys(("-c", "--cfg"), "it shows a config: type it in a terminal"),
    **dict.fromkeys(("-h", "--help"), "it prints help: type it in a terminal"),
}
_AT_WORK = RLock()  # a job sets environment and directory of the whole process


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

    Signal handlers, environment variables, the working directory, levels of loggers, filters of warnings, threads and
    random states are afterwards as before. A job on several devices runs in a process of its own.

    Args:
        job: Name of the job, as pretrain.
        overrides: Words of the command, as "model=tiny", "budget.tokens=100000", "run.name=first".
        config_dir: Directory of YAML files of your own; None for none.
        quiet: Whether what the job prints is kept back.

    Returns:
        The finished run.

    Raises:
        RefusedError: The command has faults, each in a line of the message, or the job refuses what it was given: a
            ValueError with the text that the command prints.
        KeyboardInterrupt: The run was interrupted, after it has saved. Another signal than that of Ctrl-C is passed on
            to the handler of the caller once the run has saved.
    """
    if not _AT_WORK.acquire(blocking=False):
        raise RefusedError("another thread of this process runs a job: wait for it, or run this one in another process")
    try:
        return _run(*_typed(job, overrides), config_dir=config_dir, quiet=quiet)
    except Interrupted as interruption:
        words = _words(job, overrides, config_dir)
        if interruption.signal_number not in (0, signal.SIGINT):
            signal.raise_signal(interruption.signal_number)
        raise KeyboardInterrupt(f"{interruption.message}: {shlex.join(words)} resumes it") from None
    finally:
        _AT_WORK.release()


def _run(job: str, overrides: list[str], *, config_dir: str | Path | None, quiet: bool) -> FinishedRun:
    with ExitStack() as stack:
        for each in (process_as_before(), _silence(quiet), warnings_in_one_line(), in_process_of_caller(), refusing()):
            stack.enter_context(each)
        words = _words(job, overrides, config_dir)
        stack.enter_context(carrying_out(words))
        node = _composed(job, overrides, Path(config_dir) if config_dir else None)
        value = run_apart(node, words) if ranks_here(node) > 1 and not node.get("dry_run") else call_job(node)
    run_node = node.get("run")
    directory = Path(run_node["root"], run_node["job"], run_node["name"]) if run_node else None
    found = directory if directory and (directory / MANIFEST).is_file() else None
    return FinishedRun(job, found, value)


def _typed(job: str, overrides: Sequence[str]) -> tuple[str, list[str]]:
    job, *words = compared([job, *overrides])
    return job, words


def _words(job: str, overrides: Iterable[str], config_dir: str | Path | None) -> list[str]:
    return ["lm", job, *(["--config-dir", str(config_dir)] if config_dir else []), *overrides]


def _composed(job: str, overrides: list[str], extra: Path | None) -> dict[str, Any]:
    """The checked config of the job."""
    if extra and not extra.is_dir():
        raise RefusedError(f"config_dir={extra}: no such directory")
    if flags := [f"{word}: {FLAGS[name]}" for word in overrides if (name := word.partition("=")[0]) in FLAGS]:
        raise RefusedError("\n".join(flags))
    places = [config_directory(), *([extra] if extra else [])]
    known = jobs(places)
    if job not in known:
        raise RefusedError(no_such_job(job, overrides, known))
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
    faults = [str(each).replace(EACH_IN_TURN, "call lm.run for each") for each in [*words.faults, *faults]]
    if faults or node is None:
        raise RefusedError("\n".join(faults) or "lm.run runs one job: leave out what makes it a sweep")
    return node


@contextmanager
def _silence(quiet: bool) -> Iterator[None]:
    if not quiet:
        yield
        return
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield

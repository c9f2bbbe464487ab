"""A job called with the parts that its config describes: alone, in a sweep, or as a stage of another job."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lm.cli.next_step import next_step
from lm.config.build import build
from lm.config.check import examine
from lm.config.composition import leave_hydra
from lm.config.target import is_job, is_node, locate
from lm.config.trust import TRUST, trusting
from lm.directory import Run
from lm.process.command import carrying_out, command_line, command_words
from lm.process.failure import one_line, report_failure
from lm.process.ranks import is_first_process
from lm.process.signals import interruption_behind, unwinding
from lm.process.supervisor import supervised_ranks
from lm.progress import Console
from lm.report.run import write_run_page
from lm.sweep import Job, Outcome, Pruned, sweep_name
from lm.sweep.job import CONSOLE


def run_composed(config: DictConfig, *, node: dict | None = None) -> Any:
    """Run a job with its composed config; Hydra calls this in whichever process its launcher starts.

    Args:
        config: The composed config.
        node: The same as plain data, where it has been checked already.
    """
    swept = leave_hydra()
    if swept is not None:
        job = _frozen(config, swept)
        return run_sweep_job(job) if isinstance(job, Job) else job
    try:
        node = node or _plain(config)
        returned = call_job(node)
    except Exception as error:
        raise interruption_behind(error) or SystemExit(report_failure(error)) from None
    if following := next_step(node, command_words()):
        Console(node["run"]["job"]).line(f"next: {following}")
    return returned


def freeze(config: DictConfig) -> Job | Outcome:
    """The job of a sweep that Hydra would run with this config, for another process; its outcome if it has faults."""
    return _frozen(config, leave_hydra() or [])


def _frozen(config: DictConfig, swept: Sequence[str]) -> Job | Outcome:
    name = sweep_name(swept)
    if name and "run" in config:
        config.run.name = f"{config.run.name}/{name}"
    try:
        node = _plain(config)
    except ValueError as error:
        return Outcome(name, [*swept], "", code=report_failure(error), error=one_line(error))
    run = node.get("run")
    directory = Path(run["root"], run["job"], run["name"]).as_posix() if run else ""
    return Job(name, [*swept], directory, node, command_line())


def run_sweep_job(job: Job) -> Outcome:
    """Run one job of a sweep. A failure is reported and becomes its outcome, so the other jobs still run."""
    if job.name:
        CONSOLE.line(job.name)
    outcome = Outcome(job.name, job.overrides, job.directory)
    try:
        with carrying_out(shlex.split(job.command)):
            return outcome.returning(call_job(job.node))
    except Pruned as pruned:
        CONSOLE.line(f"{job.name} is {pruned.message}, at {pruned.value:.6g}")
        return replace(outcome.returning(pruned.value), pruned_at=pruned.step)
    except Exception as error:
        if interruption := interruption_behind(error):
            raise interruption from None
        return replace(outcome, code=report_failure(error), error=one_line(error))


def _plain(config: DictConfig) -> dict:
    node, faults = examine(config)
    if faults:
        raise ValueError("\n".join(map(str, faults)))
    return node


def call_job(node: dict, changes: Mapping[str, Any] | None = None) -> Any:
    """Open the run of a job, build the job's parts, call its function, and return what it returns.

    A part that is a job itself arrives as a function, built when it is called: the later stages of a pipeline read what
    the earlier ones made.

    Args:
        node: Plain config of the job.
        changes: Dotted key → plain value that replaces the configured one, for jobs that call another many times.
    """
    for key, value in (changes or {}).items():
        node = _changed(node, key.split("."), value)
    function, complaint = locate(node["_target_"])
    if complaint:
        raise ValueError(f"_target_: {complaint}")
    parts = {key: value for key, value in node.items() if key not in ("_target_", "run", TRUST)}
    with trusting(node.get(TRUST) or ()):
        return _call(function, node, parts)


def _call(function: Callable[..., Any], node: dict, parts: dict) -> Any:
    if "run" not in node:
        built = _parts(parts)
        with unwinding():
            return function(**built)
    run: Run = build(node["run"], key="run")
    run.open(node)
    try:
        with supervised_ranks(run.directory / "config.json") as run.supervisor:
            built = _parts(parts)
            with unwinding():
                returned = function(run=run, **built)
        if run.is_complete and is_first_process():
            write_run_page(run.directory, again=run.just_finished)
        return returned
    finally:
        run.close()


def _changed(node: dict, path: list[str], value: Any) -> dict:
    """A copy of the node with another value at a key; the original is not changed."""
    first, *rest = path
    return {**node, first: _changed(node.get(first) or {}, rest, value) if rest else value}


def _parts(node: dict) -> dict[str, Any]:
    return {key: _part(value, key) for key, value in node.items()}


def _part(value: Any, key: str) -> Any:
    """A job as a function, the jobs of a dict as functions by name, anything else built."""
    if is_node(value):
        return partial(call_job, value) if is_job(value) else build(value, key=key)
    if isinstance(value, dict) and any(is_node(each) and is_job(each) for each in value.values()):
        return {name: _part(each, f"{key}.{name}") for name, each in value.items()}
    return build(value, key=key)

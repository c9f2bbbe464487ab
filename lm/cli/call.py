"""A job called with the parts that its config describes: alone, in a sweep, or as a stage of another job."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lm.config.build import build
from lm.config.check import examine
from lm.config.composition import leave_hydra
from lm.config.target import is_job, is_node, locate
from lm.process.failure import in_a_line, report_failure
from lm.process.launch import launches
from lm.process.ranks import is_first_process
from lm.run import Run
from lm.sweep import Job, Outcome, Pruned, sweep_name


def run_one(config: DictConfig) -> Any:
    """What Hydra calls with a composed config, in whichever process its launcher starts."""
    swept = leave_hydra()
    if swept is not None:
        job = _frozen(config, swept)
        return carry_out(job) if isinstance(job, Job) else job
    try:
        return call_job(_plain(config))
    except Exception as error:
        raise SystemExit(report_failure(error)) from None


def freeze(config: DictConfig) -> Job | Outcome:
    """The job of a sweep that Hydra would run with this config, for another process; its end if it has faults."""
    return _frozen(config, leave_hydra() or [])


def _frozen(config: DictConfig, swept: Sequence[str]) -> Job | Outcome:
    name = sweep_name(swept)
    if name and "run" in config:
        config.run.name = f"{config.run.name}/{name}"
    try:
        node = _plain(config)
    except ValueError as error:
        return Outcome(name, [*swept], "", code=report_failure(error), error=in_a_line(error))
    run = node.get("run")
    directory = Path(run["root"], run["job"], run["name"]).as_posix() if run else ""
    return Job(name, [*swept], directory, node)


def carry_out(job: Job) -> Outcome:
    """Call a job of a sweep. One that fails has told why, and does not keep the others from being run."""
    print(f"sweep       {job.name}", flush=True)
    done = Outcome(job.name, job.overrides, job.directory)
    try:
        return replace(done, value=call_job(job.node))
    except Pruned as pruned:
        if is_first_process():
            print(f"sweep       {job.name} is {pruned.message}, at {pruned.value:.6g}", flush=True)
        return replace(done, value=pruned.value, pruned_at=pruned.step)
    except Exception as error:
        return replace(done, code=report_failure(error), error=in_a_line(error))


def _plain(config: DictConfig) -> dict:
    node, faults = examine(config)
    if faults:
        raise ValueError("\n".join(map(str, faults)))
    return node


def call_job(node: dict, changes: Mapping[str, Any] | None = None) -> Any:
    """Open the run of a job's plain config, build the job's parts and call it; give back what it returns.

    A part that is a job itself arrives as a function and is built when called: the later stages of a pipeline read what
    its earlier ones made. Called with `changes` (dotted key → plain value), it is the job with those: a job that
    compares calls another many times.
    """
    for key, value in (changes or {}).items():
        node = _changed(node, key.split("."), value)
    function, complaint = locate(node["_target_"])
    if complaint:
        raise ValueError(f"_target_: {complaint}")
    parts = {key: value for key, value in node.items() if key not in ("_target_", "run")}
    if "run" not in node:
        return function(**_parts(parts))
    run: Run = build(node["run"], key="run")
    run.open(node)
    try:
        with launches(run.directory / "config.json"):
            return function(run=run, **_parts(parts))
    finally:
        run.close()


def _changed(node: dict, path: list[str], value: Any) -> dict:
    """The node with another value at a key; nothing that it shares with the first is touched."""
    first, *rest = path
    return {**node, first: _changed(node.get(first) or {}, rest, value) if rest else value}


def _parts(node: dict) -> dict[str, Any]:
    return {
        key: partial(call_job, value) if is_node(value) and is_job(value) else build(value, key=key)
        for key, value in node.items()
    }

"""A job called with the parts that its config describes: alone, in a sweep, or as a stage of another job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

from omegaconf import DictConfig

from lm.config import build, examine, is_job, is_node, leave_hydra, locate
from lm.failure import tell
from lm.ranks import launches
from lm.run import Run


@dataclass(frozen=True)
class Failed:
    """What a job of a sweep gives back that failed and has told why: raised, Hydra would tell it in its own words."""

    code: int


def run_one(config: DictConfig) -> Any:
    """What Hydra calls with a composed config, in whichever process its launcher starts."""
    swept = leave_hydra()
    try:
        if swept is not None:
            name = sweep_name(swept)
            print(f"sweep       {name}", flush=True)
            if name and "run" in config:
                config.run.name = f"{config.run.name}/{name}"
        node, faults = examine(config)
        if faults:
            raise ValueError("\n".join(map(str, faults)))
        return call_job(node)
    except Exception as error:
        code = tell(error)
        if swept is None:
            raise SystemExit(code) from None
        return Failed(code)


def sweep_name(overrides: Sequence[str]) -> str:
    """What tells one run of a sweep from the others, as one name for a directory."""
    telling = [each for each in overrides if not each.lstrip("+~").startswith("run.")]
    name = ",".join(telling).replace("/", "-")
    if len(name.encode()) <= 150:
        return name
    return f"{name[:50]}…{blake2b(name.encode(), digest_size=4).hexdigest()}"


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

"""What a run records about itself, and whether a config may resume under that record."""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name

from lm.directory.layout import MANIFEST
from lm.files import hash_json
from lm.process import distribution

REMEDY = "set run.name to another name to keep both, or run.restart=true to remove it and start again"
PACKAGES = ("torch", "lightning", "tokenizers", "numpy", "hydra-core")
# Keys that decide how a run is executed, not what it makes: they may change when it resumes.
EXECUTION_KEYS = (
    "run",
    "show",
    "dry_run",
    "prices",
    "trust",
    "trainer",
    "logger",
    "callbacks",
    "compute.threads",
    "compute.activation_checkpointing",
    "compute.peak_flops",
    "budget.rows_per_device",
    "budget.remaining",
    "data.recorded",
    "data.workers",
    "data.verify",
)
LENGTH_KEYS = tuple(f"budget.{length}" for length in ("tokens", "steps", "epochs", "tokens_per_parameter", "minutes"))
ABSENT = "(absent)"
PLACES = {"path", "paths"}  # keys that say where a file lies; what it holds is in the inputs


def read_manifest(directory: str | Path) -> dict:
    """The manifest of the run in `directory`; FileNotFoundError where there is none."""
    path = Path(directory, MANIFEST)
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"{directory} is not a run: it has no {MANIFEST}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON ({error}); {REMEDY}") from None
    if not isinstance(manifest, dict) or not {"state", "config"} <= manifest.keys():
        raise ValueError(f"{path} is not the manifest of a run; {REMEDY}")
    return manifest


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide the outputs."""
    found = {"python": platform.python_version(), "lm": distribution.version()}
    for package in PACKAGES:
        found[package] = version(package)
    return found


def check_same_config(recorded: dict, config: dict, *, subject: str) -> None:
    """Refuse a config that would make something else than the recorded one.

    Raises:
        ValueError: With a line for each key that differs. Where only names differ, it says that an earlier version of
            lm made the record.
    """
    changes = config_changes(recorded, config)
    if not changes:
        return
    lines = "".join(f"\n  {key}: {old} → {new}" for key, (old, new) in changes.items())
    if _only_renamed(changes):
        raise ValueError(
            f"{subject} was made by an earlier version of lm, which named classes and keys otherwise:{lines}\n"
            f"other jobs can still read it; to train or extend it with this version, {REMEDY}"
        )
    timed = changes.get("budget.minutes", ("", ABSENT))[1] not in (ABSENT, "null")  # cannot extend a run
    extends = {*changes} <= {*LENGTH_KEYS} and not timed
    longer = "; run.extend=true extends it by a longer budget" if extends else ""
    raise ValueError(f"{subject} exists with another config:{lines}\n{REMEDY}{longer}")


def config_changes(old: dict, new: dict) -> dict[str, tuple[str, str]]:
    """Each key that decides what a run makes and differs, with its old and new value as JSON."""
    before, after = _leaves(_decisive(old)), _leaves(_decisive(new))
    pairs = {key: (before.get(key, ABSENT), after.get(key, ABSENT)) for key in {**before, **after}}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def identity(config: dict, inputs: Mapping[str, str]) -> str:
    """The hash of everything that decides what a run makes, whatever its name and wherever its files lie.

    Each checkpoint carries it, so that the checkpoint of another run is not taken for one of this run.
    """
    decisive = {key: value for key, value in _leaves(_decisive(config)).items() if key.split(".")[-1] not in PLACES}
    return hash_json([decisive, dict(inputs)])


def _only_renamed(changes: dict[str, tuple[str, str]]) -> bool:
    """Whether a target of the record no longer exists, and no key that both have differs, targets aside."""
    changed = {key: old for key, (old, new) in changes.items() if ABSENT not in (old, new)}
    targets = [json.loads(old) for key, old in changed.items() if key.rpartition(".")[2] == "_target_"]
    return len(targets) == len(changed) and not all(map(_exists, targets))


def _exists(target: str) -> bool:
    try:
        resolve_name(target)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def _decisive(config: dict) -> dict:
    """The config without EXECUTION_KEYS; in a pipeline without those of each stage. A node that has a Run is a job."""
    if isinstance(config.get("run"), dict):
        for key in EXECUTION_KEYS:
            config = _without(config, key.split("."))
    return {key: _decisive(value) if isinstance(value, dict) else value for key, value in config.items()}


def _without(config: dict, path: list[str]) -> dict:
    first, *rest = path
    if not rest:
        return {key: value for key, value in config.items() if key != first}
    if isinstance(config.get(first), dict):
        return {**config, first: _without(config[first], rest)}
    return config


def _leaves(config: dict, prefix: str = "") -> dict[str, str]:
    """Dotted keys → values as JSON; an empty part is a leaf."""
    found = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False)
    return found

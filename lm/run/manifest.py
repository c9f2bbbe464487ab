"""What a run records about itself, and whether a config may go on under that record."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MANIFEST = "manifest.json"
WAY_OUT = "set run.name to another name to keep both, or run.restart=true to remove it and start again"
PACKAGES = ("lm", "torch", "lightning", "tokenizers", "numpy", "hydra-core")
# Keys that say how a run is carried out, not what it makes: they may change when it goes on.
FREE = (
    "run",
    "show",
    "dry_run",
    "prices",
    "trainer",
    "logger",
    "callbacks",
    "compute.threads",
    "compute.activation_checkpointing",
    "budget.rows_per_device",
    "data.workers",
    "data.verify",
)


def read_manifest(directory: str | Path) -> dict:
    """The manifest of the run in `directory`; FileNotFoundError where there is none."""
    path = Path(directory, MANIFEST)
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"{directory} is no run: it has no {MANIFEST}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON ({error}); {WAY_OUT}") from None
    if not isinstance(manifest, dict) or not {"state", "config"} <= manifest.keys():
        raise ValueError(f"{path} is not the manifest of a run; {WAY_OUT}")
    return manifest


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide what comes out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # ours, when run from a checkout that is not installed
            continue
    return found


def differences(old: dict, new: dict) -> list[str]:
    """A line `key: old → new` for each key that decides what the run makes and is not the same."""
    before, after = _leaves(_decisive(old)), _leaves(_decisive(new))
    return [
        f"{key}: {before.get(key, '(absent)')} → {after.get(key, '(absent)')}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]


def _decisive(config: dict) -> dict:
    """Without the free keys; in a pipeline without those of each stage. A node that has a Run is a job."""
    if isinstance(config.get("run"), dict):
        for key in FREE:
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
    """Dotted keys to values as JSON; an empty part is a leaf, lest it vanish."""
    found = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False)
    return found

"""What differs between the config of a run and that of its job without any words after it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from lm.config.check import examine
from lm.config.composition import Composition
from lm.config.declared import declared
from lm.config.outline import config_directory, jobs

ABSENT = "(absent)"
PLACE = ("run.",)  # keys that say where the run lies


def differences(job: str, config: Mapping[str, Any]) -> dict[str, tuple[str, str]] | None:
    """Return each key whose value is not the default: key → default and value, as JSON.

    Args:
        job: Name of the job.
        config: The plain config of a run.

    Returns:
        The differences; None where the job is not one of ours, or its defaults cannot be composed.
    """
    if job not in jobs([config_directory()]):
        return None
    before, after = _defaults(job), dict(_leaves(config))
    if not before:
        return None
    pairs = {key: (before.get(key, ABSENT), after.get(key, ABSENT)) for key in {**after, **before}}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1] and not key.startswith(PLACE)}


@cache
def _defaults(job: str) -> dict[str, str]:
    with _beside_hydra():
        config = Composition(job, directory=config_directory()).plain
        node, _ = examine(config, find=declared)
    return dict(_leaves(node))


@contextmanager
def _beside_hydra() -> Iterator[None]:
    """Compose while Hydra runs another job, which finds its state unchanged afterwards."""
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    try:
        yield
    finally:
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = hydra, config


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys with their values as JSON; ??? stands for a value that must be given."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False, default=lambda _: "???")

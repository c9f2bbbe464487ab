"""A composed config as plain data, and all its faults before anything is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from lm.config.faults import Fault
from lm.config.resolvers import UnresolvedError
from lm.config.signature import UNKNOWN, Finder, validate
from lm.config.target import is_node, locate


def check(config: DictConfig | dict) -> list[Fault]:
    """All faults of a job's config."""
    return examine(config)[1]


def plain(config: DictConfig | dict) -> dict:
    """The config as dicts, lists and scalars, with interpolations resolved and numbers of the hinted types."""
    return examine(config)[0]


def examine(config: DictConfig | dict, *, find: Finder = locate) -> tuple[dict, list[Fault]]:
    """`plain` and `check` at once.

    Args:
        config: The composed config.
        find: How the targets are found: `locate` imports them, `declared` reads their source.
    """
    return resolve(config).examine(find)


@dataclass(frozen=True)
class Resolved:
    """A config as plain data, which any number of checks read; resolving it takes longer than a check.

    Args:
        values: Dicts, lists and scalars; UNKNOWN for a value that is missing or cannot be resolved.
        faults: Why those values are unknown.
        references: The keys of interpolations.
    """

    values: dict
    faults: tuple[Fault, ...]
    references: tuple[str, ...]

    def examine(self, find: Finder) -> tuple[dict, list[Fault]]:
        """The config with numbers of the hinted types, and all its faults."""
        faults = [*self.faults]
        values = validate(self.values, faults, find=find)
        return values, _once(faults, self.references)


def resolve(config: DictConfig | dict) -> Resolved:
    """A composed config as plain data, without Hydra's node."""
    faults: list[Fault] = []
    config = OmegaConf.create(config) if isinstance(config, dict) else config
    values = {key: _value(config, key, key, faults) for key in config if key != "hydra"}
    if not is_node(values):
        faults.append(Fault("_target_", "missing: the config of a job names the function to call"))
    return Resolved(values, tuple(faults), tuple(_references(config)))


def _references(config: DictConfig, path: str = "") -> list[str]:
    """The keys of interpolations, which may stand for parts defined elsewhere."""
    found = []
    for key in config:
        here = f"{path}.{key}" if path else str(key)
        part = config._get_node(key)
        if part._is_interpolation():
            found.append(here)
        elif isinstance(part, DictConfig) and not (part._is_none() or part._is_missing()):
            found += _references(part, here)
    return found


def _once(faults: list[Fault], references: Sequence[str]) -> list[Fault]:
    """The faults without those repeated at an interpolation of the part."""
    known = {(fault.key, fault.message.replace(fault.key, "")) for fault in faults}

    def repeated(fault: Fault) -> bool:
        place = next((place for place in references if fault.key.startswith(f"{place}.")), None)
        tail, message = fault.key[len(place or "") :], fault.message.replace(fault.key, "")
        return place is not None and any(
            key != fault.key and key.endswith(tail) and text == message for key, text in known
        )

    return [fault for fault in faults if not repeated(fault)]


def _resolved(container: DictConfig | ListConfig, path: str, faults: list[Fault]) -> Any:
    """Plain data; a missing or unresolvable value becomes a fault and UNKNOWN."""
    if isinstance(container, ListConfig):
        return [_value(container, i, f"{path}[{i}]", faults) for i in range(len(container))]
    return {key: _value(container, key, f"{path}.{key}" if path else str(key), faults) for key in container}


def _value(container: DictConfig | ListConfig, key: Any, path: str, faults: list[Fault]) -> Any:
    node = container._get_node(key)
    if isinstance(node, AnyNode) and not _is_read(written := node._value()):
        return written  # most values; OmegaConf takes ten times as long
    try:
        if not OmegaConf.is_interpolation(container, key) and OmegaConf.is_missing(container, key):
            faults.append(Fault(path, f"missing: set {path}=…"))
            return UNKNOWN
        value = container[key]
    except InterpolationToMissingValueError:
        return UNKNOWN  # reported where it is missing
    except UnresolvedError as error:
        faults.append(error.fault)
        return UNKNOWN
    except (OmegaConfBaseException, RecursionError) as error:
        written = OmegaConf.to_container(container, resolve=False)[key]
        faults.append(Fault(path, f"{written} cannot be resolved: {str(error).splitlines()[0]}"))
        return UNKNOWN
    return _resolved(value, path, faults) if isinstance(value, DictConfig | ListConfig) else value


def _is_read(value: Any) -> bool:
    """Whether OmegaConf gives a value a meaning: an interpolation, or ??? for a missing one."""
    return isinstance(value, str) and ("${" in value or value == "???")

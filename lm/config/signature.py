"""Check a plain config against the signatures it calls: constructors are the schema, of libraries too."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from inspect import Parameter
from typing import Any

from lm.config.faults import Fault, did_you_mean, nearest
from lm.config.hints import element_hint, fit, part_complaint
from lm.config.target import is_job, is_node, locate, signature
from lm.config.trust import TRUST

SPECIAL = {"_target_", "_partial_", "_args_", "_convert_", "_recursive_"}
Finder = Callable[[str], tuple[Any, str]]  # the class or function that a `_target_` names, and a complaint
UNKNOWN = object()  # a value that could not be resolved; its fault is already reported


def validate(value: Any, faults: list[Fault], *, key: str = "", hint: Any = Any, find: Finder = locate) -> Any:
    """Collect all faults of a value and of the values in it.

    Args:
        value: Plain config.
        faults: List to which faults are appended.
        key: Place of the value in the config.
        hint: Type hint of the parameter that receives it.
        find: How targets are found: `locate` imports them, `declared` reads their source.

    Returns:
        The value, with whole floats as ints where the hint is an int.
    """
    if value is UNKNOWN:
        return value
    if is_node(value):
        return _validate_node(value, faults, key=key, hint=hint, find=find)
    if not _holds_nodes(value):
        fitted, complaint = (value, "") if hint in (Any, Parameter.empty) else fit(value, hint)
        if complaint:
            faults.append(Fault(key, complaint.replace("; write ", f"; write {key}=")))
        return fitted
    inner = element_hint(hint, type(value))
    if isinstance(value, list):
        return [validate(item, faults, key=f"{key}[{i}]", hint=inner, find=find) for i, item in enumerate(value)]
    return {name: validate(item, faults, key=_join(key, name), hint=inner, find=find) for name, item in value.items()}


def _validate_node(node: dict, faults: list[Fault], *, key: str, hint: Any, find: Finder) -> dict:
    name, partial = str(node["_target_"]), node.get("_partial_", False) is True
    target, complaint = find(name)
    if complaint:
        faults.append(Fault(_join(key, "_target_"), complaint))
    elif target and key and not is_job(node) and (complaint := part_complaint(target, partial, hint)):
        faults.append(Fault(key, f"{name} {complaint}"))
    found = signature(target) if target else None
    if found is None:
        return {each: validate(value, faults, key=_join(key, each), find=find) for each, value in node.items()}
    parameters = {**_of_every_job(node, key), **found.parameters}
    named = [each for each in parameters if parameters[each].kind in _BY_NAME]
    open_ended = any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())
    unknown = _unknown(node, named, open_ended=open_ended)
    for each in unknown:
        hint_text = did_you_mean(each, named)
        if nearest(each, named) is None and (deeper := nearest(each, below := _below(node, without=unknown))):
            hint_text = f"; did you mean {_join(key, below[deeper])}?"
        faults.append(Fault(_join(key, each), f"unknown key of {name}{hint_text}"))
    if not partial:
        faults.extend(
            Fault(_join(key, each), f"missing: {name} needs it; set {_join(key, each)}=…")
            for each in named[len(node.get("_args_", ())) :]
            if parameters[each].default is Parameter.empty and each not in node
        )
    return {
        each: value
        if each in SPECIAL or each in unknown
        else validate(value, faults, key=_join(key, each), hint=_hint(parameters.get(each), value), find=find)
        for each, value in node.items()
    }


def _of_every_job(node: dict, key: str) -> dict[str, Parameter]:
    """What any job takes beside the parameters of its function: `trust`, which `lm.cli.call` reads."""
    if key and not is_job(node):
        return {}
    return {TRUST: Parameter(TRUST, Parameter.KEYWORD_ONLY, default=None, annotation=list[str] | None)}


_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def _unknown(node: dict, named: list[str], *, open_ended: bool) -> list[str]:
    """Keys that a target does not take; with **kwargs only those that are nearly a known name."""
    keys = [each for each in node if each not in named and each not in SPECIAL]
    free = [each for each in named if each not in node]
    return [each for each in keys if not open_ended or get_close_matches(each, free, cutoff=0.8)]


def _below(node: dict, path: str = "", *, without: Sequence[str] = ()) -> dict[str, str]:
    """The keys of the parts inside a node, each with its path from the node."""
    found: dict[str, str] = {}
    for key, value in node.items():
        if key in without:
            continue
        if path and key not in SPECIAL:
            found.setdefault(key, _join(path, key))
        if isinstance(value, dict):
            found = {**_below(value, _join(path, key)), **found}
    return found


def _hint(parameter: Parameter | None, value: Any) -> Any:
    """The hint of a parameter; Any for its own default, which may not fit a library's hint."""
    if parameter is None or (type(value) is type(parameter.default) and value == parameter.default):
        return Any
    return parameter.annotation


def _holds_nodes(value: Any) -> bool:
    if not isinstance(value, dict | list):
        return value is UNKNOWN
    if is_node(value):
        return True
    return any(_holds_nodes(item) for item in (value.values() if isinstance(value, dict) else value))


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else str(name)

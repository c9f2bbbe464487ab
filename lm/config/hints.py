"""Whether a value of a config fits a type hint."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple
from difflib import get_close_matches
from enum import Enum
from functools import cache
from functools import partial as Partial
from inspect import Parameter
from pathlib import PurePath
from textwrap import shorten
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import is_protocol

WORDS_OF_BOOL = {"yes": True, "on": True, "1": True, "y": True, "no": False, "off": False, "0": False, "n": False}


def fit(value: Any, hint: Any) -> tuple[Any, str]:
    """The plain `value` converted to `hint` (1e3 as an int is 1000), and a complaint or "".

    Conversions of pydantic that change the type, such as "yes" to true or "12" to 12, are complaints: the job is given
    the value as it stands in the config.
    """
    try:
        adapter = _adapter(hint)
    except Exception:  # pydantic cannot express the hint, such as a protocol: check only for a mapping
        mappings = [issubclass(get_origin(each) or object, Mapping) for each in alternatives(hint)]
        fits = isinstance(value, dict) or not mappings or not all(mappings)
        return value, "" if fits else f"expected {describe_hint(hint)}, got {_shown(value)}"
    try:
        return _unchanged(value, adapter.validate_python(value)), ""
    except ValidationError as error:
        messages = [each["ctx"]["error"] for each in error.errors() if each["type"] == "value_error"]  # our checks
        return value, str(messages[0]) if messages else _misfit(value, hint)
    except ValueError:
        return value, _misfit(value, hint)
    except Exception:  # such as a protocol that isinstance cannot check
        return value, ""


def _adapter(hint: Any) -> TypeAdapter:
    """The check of a hint by pydantic, made once per hint; making it takes longer than using it."""
    try:
        return _made_adapter(hint)
    except TypeError:  # a hint with metadata that cannot be hashed
        return _made_adapter.__wrapped__(hint)


@cache
def _made_adapter(hint: Any) -> TypeAdapter:
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def part_complaint(target: Any, partial: bool, hint: Any) -> str:
    """Why the object that a node builds, or its factory, does not fit `hint`; "" if it does."""
    complaints = [_complaint(target, partial, each) for each in alternatives(hint)]
    return "" if not complaints or "" in complaints else complaints[0]


def element_hint(hint: Any, container: type) -> Any:
    """The hint of the elements of a list or the values of a dict; Any if `hint` has none."""
    for each in alternatives(hint):
        origin, arguments = get_origin(each), [a for a in get_args(each) if a is not Ellipsis]
        if isinstance(origin, type) and arguments and issubclass(container, origin):
            return arguments[-1]
        if container is list and origin is tuple and len({*arguments}) == 1:
            return arguments[0]
    return Any


def alternatives(hint: Any) -> list[Any]:
    """The members of a union without None; Annotated is unwrapped."""
    if get_origin(hint) is Annotated:
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [each for member in get_args(hint) for each in alternatives(member)]
    return [] if hint is NoneType else [hint]


def describe_hint(hint: Any) -> str:
    """A hint as a user reads it, such as `int, at least 1 or null`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is NoneType:
        return "null"
    if hint is bool:
        return "true or false"
    if origin is Annotated:
        return ", ".join([describe_hint(arguments[0]), *_describe_bounds(arguments[1:])])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(describe_hint(each) for each in arguments))
    if origin is Literal:
        return " or ".join(str(each) for each in arguments)
    if origin is Callable:
        made = f" of {describe_hint(arguments[-1])}" if arguments else ""
        return f"a factory{made} (a node with _partial_: true)"
    if isinstance(origin, type) and arguments:
        inner = " to ".join(describe_hint(each) for each in arguments if each is not Ellipsis)
        return f"{'mapping' if issubclass(origin, Mapping) else 'list'} of {inner}"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _describe_bounds(metadata: Iterable[Any]) -> list[str]:
    words = {Ge: "at least", Gt: "more than", Le: "at most", Lt: "less than"}
    return [f"{words[type(each)]} {astuple(each)[0]}" for each in metadata if type(each) in words]


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return shorten(repr(value), 60, placeholder=" …")


def _misfit(value: Any, hint: Any) -> str:
    return f"expected {describe_hint(hint)}, got {_shown(value)}{_meant(value, hint)}"


def _meant(value: Any, hint: Any) -> str:
    """`; write …` with the value that fits and is spelt otherwise: `1M`, `yes`, `bf16`; "" if there is none."""
    if not isinstance(value, str | bool | int):
        return ""
    text, kinds = str(value).strip(), alternatives(hint)
    meant: list[Any] = []
    if found := re.fullmatch(r"(\d+(?:\.\d+)?) ?([kKmMbBgG])", text):
        number = float(found[1]) * {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9}[found[2].lower()]
        meant.append(int(number) if number.is_integer() else number)
    if re.fullmatch(r"\d+,\d+", text):
        meant.append(float(text.replace(",", ".")))
    if bool in kinds and text.lower() in WORDS_OF_BOOL:
        meant.append(WORDS_OF_BOOL[text.lower()])
    literals = [each for kind in kinds if get_origin(kind) is Literal for each in get_args(kind)]
    names = [each for each in literals if isinstance(each, str)]
    meant += [each for each in names if isinstance(value, str) and text and text in each]
    meant += get_close_matches(text, names, n=1, cutoff=0.5)
    for each in meant:
        if fit(each, hint)[1] == "" and each != value:
            return f"; write {json.dumps(each).strip(chr(34))}"
    return ""


def _unchanged(value: Any, result: Any) -> Any:
    """`value` with whole floats as the ints that pydantic read; ValueError if pydantic changed a type."""
    if isinstance(value, float) and type(result) is int:
        return result
    if isinstance(value, dict) and isinstance(result, Mapping):
        pairs = zip(value.items(), result.values(), strict=True)
        return {key: _unchanged(item, made) for (key, item), made in pairs}
    if isinstance(value, list) and isinstance(result, list | tuple):
        return [_unchanged(item, made) for item, made in zip(value, result, strict=True)]
    converted = {
        bool: type(result) is not bool,
        int: isinstance(result, bool),
        str: not isinstance(result, str | PurePath | Enum),
        dict: True,
    }
    if converted.get(type(value), False):
        raise ValueError
    return value


def _complaint(target: Any, partial: bool, hint: Any) -> str:
    built, origin = _built_by(target), get_origin(hint) or hint
    if origin is Callable:
        expected = (get_args(hint) or (Any,))[-1]
        fits = bool(built) and _is_class(expected) and issubclass(built, expected)
        if partial:
            mismatch = built and _is_class(expected) and not fits
            return f"builds {built.__name__}, but a factory of {expected.__name__} is wanted" if mismatch else ""
        # The object may itself be the wanted function, unless it is what the factory should build.
        at_once = built and (fits or not issubclass(built, Callable))
        return f"is built at once, but {describe_hint(hint)} is wanted" if at_once else ""
    if get_args(hint) or not _is_class(hint):
        return ""
    if partial:
        direct = f"is a factory, but {hint.__name__} itself is wanted: leave out _partial_"
        return "" if issubclass(Partial, hint) else direct
    mismatch = built and not issubclass(built, hint)
    return f"builds {built.__name__}, but {hint.__name__} is wanted" if mismatch else ""


def _built_by(target: Any) -> type | None:
    """The class that a target returns, if its signature says so."""
    if isinstance(target, type):
        return target
    try:
        built = get_type_hints(target).get("return")
    except Exception:  # a hint that names something not imported
        return None
    return built if isinstance(built, type) and built is not NoneType and not is_protocol(built) else None


def _is_class(hint: Any) -> bool:
    return isinstance(hint, type) and hint not in (object, Any, Parameter.empty) and not is_protocol(hint)

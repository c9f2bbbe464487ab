"""Whether what a config holds may stand where a type hint says what is wanted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple
from enum import Enum
from functools import partial as Partial
from inspect import Parameter
from pathlib import PurePath
from textwrap import shorten
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import is_protocol


def fit(value: Any, hint: Any) -> tuple[Any, str]:
    """The plain `value` as `hint` wants it (1e3 as an int is 1000), and what is wrong with it or "".

    What pydantic would convert unasked, such as "yes" to true or "12" to 12, is refused: the job is given the
    value as it stands in the config.
    """
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # a hint that pydantic cannot express, as of a protocol, says at most that a mapping is wanted
        mappings = [issubclass(get_origin(each) or object, Mapping) for each in alternatives(hint)]
        fits = isinstance(value, dict) or not mappings or not all(mappings)
        return value, "" if fits else f"expected {in_words(hint)}, got {_shown(value)}"
    try:
        return _unchanged(value, adapter.validate_python(value)), ""
    except ValueError:
        return value, f"expected {in_words(hint)}, got {_shown(value)}"
    except Exception:  # such as a protocol that cannot be asked
        return value, ""


def part_complaint(target: Any, partial: bool, hint: Any) -> str:
    """What is wrong with giving the object that a node builds (or its factory) for `hint`, or ''."""
    complaints = [_complaint(target, partial, each) for each in alternatives(hint)]
    return "" if not complaints or "" in complaints else complaints[0]


def element_hint(hint: Any, container: type) -> Any:
    """What `hint` says about the elements of a list or the values of a dict; Any where it says nothing."""
    for each in alternatives(hint):
        origin, arguments = get_origin(each), [a for a in get_args(each) if a is not Ellipsis]
        if isinstance(origin, type) and arguments and issubclass(container, origin):
            return arguments[-1]
        if container is list and origin is tuple and len({*arguments}) == 1:
            return arguments[0]
    return Any


def alternatives(hint: Any) -> list[Any]:
    """The members of a union; null and names for other hints looked through."""
    if get_origin(hint) is Annotated:
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [each for member in get_args(hint) for each in alternatives(member)]
    return [] if hint is NoneType else [hint]


def in_words(hint: Any) -> str:
    """A hint as a user reads it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is NoneType:
        return "null"
    if hint is bool:
        return "true or false"
    if origin is Annotated:
        return ", ".join([in_words(arguments[0]), *_bounds_in_words(arguments[1:])])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(in_words(each) for each in arguments))
    if origin is Literal:
        return " or ".join(str(each) for each in arguments)
    if origin is Callable:
        return f"a factory of {in_words(arguments[-1])} (a node with _partial_: true)"
    if isinstance(origin, type) and arguments:
        inner = " to ".join(in_words(each) for each in arguments if each is not Ellipsis)
        return f"{'mapping' if issubclass(origin, Mapping) else 'list'} of {inner}"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _bounds_in_words(metadata: Iterable[Any]) -> list[str]:
    words = {Ge: "at least", Gt: "more than", Le: "at most", Lt: "less than"}
    return [f"{words[type(each)]} {astuple(each)[0]}" for each in metadata if type(each) in words]


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return shorten(repr(value), 60, placeholder=" …")


def _unchanged(value: Any, result: Any) -> Any:
    """`value`, its whole floats as the ints that pydantic read; ValueError where it made something else."""
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
    made, origin = _made_by(target), get_origin(hint) or hint
    if origin is Callable:
        wanted = (get_args(hint) or (Any,))[-1]
        fits = bool(made) and _is_class(wanted) and issubclass(made, wanted)
        if partial:
            unlike = made and _is_class(wanted) and not fits
            return f"builds {made.__name__}, but a factory of {wanted.__name__} is wanted" if unlike else ""
        # An object may itself be the function that is wanted, unless it is what the factory should build.
        at_once = made and (fits or not issubclass(made, Callable))
        return f"is built at once, but {in_words(hint)} is wanted" if at_once else ""
    if get_args(hint) or not _is_class(hint):
        return ""
    if partial:
        itself = f"is a factory, but {hint.__name__} itself is wanted: leave out _partial_"
        return "" if issubclass(Partial, hint) else itself
    unlike = made and not issubclass(made, hint)
    return f"builds {made.__name__}, but {hint.__name__} is wanted" if unlike else ""


def _made_by(target: Any) -> type | None:
    """The class a target returns, if that can be known."""
    if isinstance(target, type):
        return target
    try:
        made = get_type_hints(target).get("return")
    except Exception:  # a hint that names what is not imported
        return None
    return made if isinstance(made, type) and made is not NoneType and not is_protocol(made) else None


def _is_class(hint: Any) -> bool:
    return isinstance(hint, type) and hint not in (object, Any, Parameter.empty) and not is_protocol(hint)

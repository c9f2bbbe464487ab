"""What a `_target_` names: a class or a function, ours or a library's."""

import inspect
import pkgutil
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from inspect import Parameter, Signature
from typing import Any

from lm.process.extras import remedy


def is_node(value: Any) -> bool:
    """Whether a plain value says what to call."""
    return isinstance(value, dict) and "_target_" in value


def is_job(node: dict) -> bool:
    """Whether a node is a job of its own: it has a run, or calls one of ours."""
    return isinstance(node.get("run"), dict) or str(node.get("_target_")).startswith("lm.jobs.")


def locate(target: str) -> tuple[Any, str]:
    """The class or function, or None and why there is none."""
    found, path = None, ""
    for name in target.split("."):
        here = f"{path}.{name}" if path else name
        inside = vars(found) if inspect.ismodule(found) else dir(found) if path else _packages()
        if path and name in dir(found):
            found = getattr(found, name)
        elif not path or "__path__" in inside:
            try:
                found = import_module(here)
            except ImportError as error:
                if error.name != here:
                    return None, f"{here} cannot be imported: {error}{remedy(error)}"
                modules = [each.name for each in pkgutil.iter_modules(inside["__path__"])] if path else []
                return None, f"there is no {here}{remedy(error) or _near(name, path, [*inside, *modules])}"
        else:
            return None, f"there is no {here}{_near(name, path, inside)}"
        path = here
    return (found, "") if callable(found) else (None, f"{target} is neither a class nor a function")


def _packages() -> set[str]:
    """What a target may begin with, as far as it is loaded; Python's own modules would be odd advice."""
    return {*sys.modules} - sys.stdlib_module_names


def _near(name: str, path: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, [each for each in known if not each.startswith("_")], n=1)
    return f"; did you mean {'.'.join([path, near[0]]) if path else near[0]}?" if near else ""


def signature(target: Any) -> Signature | None:
    """With its hints evaluated; one that cannot be says nothing. None where there is no signature to ask."""
    for evaluate in (True, False):
        try:
            found = inspect.signature(target, eval_str=evaluate)
        except Exception:  # a builtin, or a hint that names what only type checkers import
            continue
        plain = [
            each.replace(annotation=Parameter.empty) if isinstance(each.annotation, str) else each
            for each in found.parameters.values()
        ]
        if inspect.isclass(target) and plain and plain[0].name == "self":  # as classes written in Rust show themselves
            plain = plain[1:]
        return found.replace(parameters=plain)
    return None

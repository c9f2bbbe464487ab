"""The class or function that a `_target_` names."""

import inspect
import pkgutil
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from lm.process.failure import install_hint


def is_node(value: Any) -> bool:
    """Whether a plain value is a node: a dict with `_target_`."""
    return isinstance(value, dict) and "_target_" in value


def is_job(node: dict) -> bool:
    """Whether a node is a job of its own: it has a run, or calls a function of lm.jobs and is no part given as one."""
    called = str(node.get("_target_")).startswith("lm.jobs.") and not node.get("_partial_")
    return isinstance(node.get("run"), dict) or called


def locate(target: str) -> tuple[Any, str]:
    """The class or function, and ""; or None and the reason."""
    found, path = None, ""
    for name in target.split("."):
        here = f"{path}.{name}" if path else name
        if path and name in dir(found):
            found = getattr(found, name)
        elif not path or "__path__" in dir(found):
            try:
                found = import_module(here)
            except ImportError as error:
                if error.name != here:
                    return None, f"{here} cannot be imported: {error}{install_hint(error)}"
                if not path and (hint := _place(name)):
                    return None, f"there is no {name}{install_hint(error) or hint}"
                modules = [each.name for each in pkgutil.iter_modules(found.__path__)] if path else []
                known = [*vars(found), *modules] if path else _packages()
                return None, f"there is no {here}{install_hint(error) or _near(name, path, known)}"
        else:
            return (
                None,
                f"there is no {here}{_near(name, path, vars(found) if inspect.ismodule(found) else dir(found))}",
            )
        path = here
    return (found, "") if callable(found) else (None, f"{target} is neither a class nor a function")


def _place(name: str) -> str:
    """How Python finds a module of the user's own that lies here, or in a folder here; "" if there is none."""
    for folder in (Path(), *sorted(each for each in Path().iterdir() if each.is_dir() and each.name[0] != ".")):
        file = next((each for each in (folder / f"{name}.py", folder / name / "__init__.py") if each.is_file()), None)
        if file:
            return (
                f"; {file} is there, but Python does not search {folder.absolute()}: run PYTHONPATH={folder} lm …, or "
                "install it as a package"
            )
    return ""


def _packages() -> set[str]:
    """Imported top-level packages, for suggestions; without Python's standard library."""
    return {*sys.modules} - sys.stdlib_module_names


def _near(name: str, path: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, [each for each in known if not each.startswith("_")], n=1)
    return f"; did you mean {'.'.join([path, near[0]]) if path else near[0]}?" if near else ""


def signature(target: Any) -> Signature | None:
    """The signature with evaluated hints; a hint that cannot be evaluated is empty. None if there is no signature."""
    for evaluate in (True, False):
        try:
            found = inspect.signature(target, eval_str=evaluate)
        except Exception:  # a builtin, or a hint imported for type checkers only
            continue
        plain = [
            each.replace(annotation=Parameter.empty) if isinstance(each.annotation, str) else each
            for each in found.parameters.values()
        ]
        if inspect.isclass(target) and plain and plain[0].name == "self":  # of classes written in Rust
            plain = plain[1:]
        return found.replace(parameters=plain)
    return None

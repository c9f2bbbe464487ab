"""Signatures and `Args:` lines read from source files, so that help does not import torch."""

import ast
import inspect
import re
from dataclasses import astuple, dataclass, field
from functools import cache
from pathlib import Path
from typing import get_args

from annotated_types import Ge, Gt, Le, Lt

from lm import bounds
from lm.config.definitions import base_classes, constructor_of, find, module_file, package_names, parsed

SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?|Attributes|References?)::?$")
ENTRY = re.compile(r"^\*{0,2}(\w+)(?: ?\([^)]*\))?: *(.*)$")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a class or function: its type hint and default as written, and its `Args:` line."""

    name: str
    hint: str = ""
    default: str | None = None  # None: it must be given
    text: str = ""

    @property
    def type(self) -> str:
        """The hint as a person reads it: `int ≥ 1 | null`, `refuse | drop`, `factory of Attention`."""
        hint = self.hint.strip("'\"")
        for name, words in _bounds().items():
            hint = re.sub(rf"\b{name}\b", words, hint)
        hint = re.sub(r"Literal\[([^]]*)\]", lambda found: found[1].replace(", ", " | ").replace("'", ""), hint)
        hint = re.sub(r"Callable\[(?:\.\.\.|\[[^]]*\]), ([\w.]+)\]", r"factory of \1", hint)
        return re.sub(r"\bNone\b", "null", re.sub(r"\bbool\b", "true | false", hint))


@dataclass(frozen=True)
class Definition:
    """Where a class or function is defined, and what its docstring says."""

    file: Path
    line: int
    summary: str = ""
    parameters: dict[str, Parameter] = field(default_factory=dict)


def parameter_lines(docstring: str | None) -> dict[str, str]:
    """The entries under `Args:` of a Google-style docstring: name → text on one line."""
    entries: dict[str, list[str]] = {}
    inside, indent, current = False, None, None
    for line in inspect.cleandoc(docstring or "").splitlines():
        text, depth = line.strip(), len(line) - len(line.lstrip())
        if (section := SECTION.match(text)) and depth == 0:
            inside, indent, current = section[1] in ("Args", "Arguments", "Parameters"), None, None
        elif inside and text:
            indent = depth if indent is None else indent
            if depth == 0:
                inside = False
            elif depth == indent and (entry := ENTRY.match(text)):
                current = entries.setdefault(entry[1], [])
                current.append(entry[2])
            elif current is not None:
                current.append(text)
    return {name: " ".join(filter(None, lines)) for name, lines in entries.items()}


@cache
def describe(target: str) -> Definition | None:
    """The definition that a `_target_` names; None where no Python source defines it."""
    parts = target.split(".")
    for split in range(len(parts) - 1, 0, -1):
        if (path := module_file(".".join(parts[:split]))) and (found := find(path, parts[split])):
            file, node = found
            for name in parts[split + 1 :]:
                node = next((each for each in node.body if getattr(each, "name", None) == name), None)
                if node is None:
                    return None
            return _definition(file, node)
    return None


def alternatives(target: str) -> dict[str, str]:
    """Public functions and classes of the same package that fit in the place of a target, with their summaries.

    A function fits if it has the same parameters, a class if it shares a base class of this package.
    """
    found = describe(target)
    if found is None or found.file.name == "__init__.py":
        return {}
    name, package, fitting = target.rpartition(".")[2], ".".join(package_names(found.file.parent)), {}
    _, own = find(found.file, name) or (None, None)
    for path in sorted(found.file.parent.glob("*.py")):
        for node in parsed(path).body:
            same = isinstance(node, ast.ClassDef | ast.FunctionDef) and type(node) is type(own) and node.name[0] != "_"
            if same and node.name != name and _alike(found.file, own, path, node):
                summary = next(iter((ast.get_docstring(node) or "").splitlines()), "")
                fitting[f"{package}.{path.stem}.{node.name}"] = summary
    return fitting


def _alike(file: Path, one: ast.AST, other_file: Path, other: ast.AST) -> bool:
    if isinstance(one, ast.FunctionDef):
        return ast.unparse(one.args) == ast.unparse(other.args) and ast.unparse(one.args) != ""
    ours, theirs = ({id(base) for _, base in base_classes(*each)} for each in ((file, one), (other_file, other)))
    return bool(ours & theirs)


def _bounds() -> dict[str, str]:
    """The names of `lm.bounds` in words: Count → `int ≥ 1`."""
    signs = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}
    words = {}
    for name, hint in vars(bounds).items():
        kind, *limits = get_args(hint) or (None,)
        if limits:
            words[name] = (
                f"{kind.__name__} {' and '.join(f'{signs[type(each)]} {astuple(each)[0]}' for each in limits)}"
            )
    return words


def _definition(path: Path, node: ast.AST) -> Definition:
    text = ast.get_docstring(node) or ""
    parameters = _parameters(path, node)
    lines = _lines(path, node)
    return Definition(
        path,
        node.lineno,
        next(iter(text.splitlines()), ""),
        {each.name: Parameter(each.name, each.hint, each.default, lines.get(each.name, "")) for each in parameters},
    )


def _lines(path: Path, node: ast.AST) -> dict[str, str]:
    """`Args:` lines of a function; of a class with those of its constructor and its bases."""
    lines = parameter_lines(ast.get_docstring(node))
    if isinstance(node, ast.ClassDef):
        if constructor := constructor_of(node):
            lines = {**parameter_lines(ast.get_docstring(constructor)), **lines}
        for file, base in base_classes(path, node):
            lines = {**_lines(file, base), **lines}
    return lines


def _parameters(path: Path, node: ast.AST) -> list[Parameter]:
    if isinstance(node, ast.FunctionDef):
        return _arguments(node)
    if constructor := constructor_of(node):
        return _arguments(constructor)[1:]
    inherited = [each for file, base in base_classes(path, node) for each in _parameters(file, base)]
    if not any("dataclass" in ast.unparse(each) for each in node.decorator_list):
        return inherited
    own = [
        Parameter(each.target.id, ast.unparse(each.annotation), each.value and ast.unparse(each.value))
        for each in node.body
        if isinstance(each, ast.AnnAssign) and "ClassVar" not in ast.unparse(each.annotation)
    ]
    return [*{each.name: each for each in [*inherited, *own]}.values()]


def _arguments(function: ast.FunctionDef) -> list[Parameter]:
    """The parameters that can be named, `self` included."""
    found, arguments = [], function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(positional, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    for each, default in pairs:
        hint = ast.unparse(each.annotation) if each.annotation else ""
        found.append(Parameter(each.arg, hint, None if default is None else ast.unparse(default)))
    return found

"""Classes and functions as their source declares them: a config can be checked without importing what it names.

Importing torch and Lightning takes seconds, and most mistakes are seen without either: an unknown key, a missing one, a
text where a number belongs. A stand-in has the name, the bases and the signature of its object, and hints are
evaluated as an import would evaluate them. Where the source has no signature, as for a class written in C, there is no
stand-in and no fault: the check that imports the object follows before a job runs.
"""

import ast
import builtins
import inspect
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from types import new_class
from typing import Any, Generic, Protocol

from lm import bounds
from lm.config.definitions import (
    all_statements,
    constructor_of,
    find,
    imported_module,
    module_file,
    module_name,
    parsed,
)

# What a hint may be made of; evaluating it calls nothing.
HINT = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.UnaryOp)
LIGHT = {*sys.stdlib_module_names, "annotated_types", "typing_extensions"}  # imported as they are
OPERATORS = {"__call__", "__iter__", "__len__", "__getitem__", "__contains__"}  # by which ABCs know their kind

_resolved: dict[tuple[Path, str], Any] = {}
_sources: dict[type, tuple[Path, ast.ClassDef]] = {}  # of the stand-ins


class _UnknownError(Exception):
    """The source does not tell what a name stands for."""


def declared(target: str) -> tuple[Any, str]:
    """A stand-in for the class or function that a `_target_` names; None if there is none. There is no complaint."""
    module, _, name = target.rpartition(".")
    try:
        found = _imported(module, name)
        if found in _sources and "__signature__" not in vars(found):
            found.__signature__ = _signature_of(found)
        return (found if callable(found) else None), ""
    except _UnknownError:
        return None, ""


class _Module:
    """A module that is not imported; its attributes are looked up in its source."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return _imported(self._name, name)


class _Names:
    """The names of a module, as the evaluation of a hint looks them up."""

    def __init__(self, path: Path):
        self.path = path

    def __getitem__(self, name: str) -> Any:
        try:
            return _resolve(self.path, name)
        except _UnknownError:
            if isinstance(built_in := getattr(builtins, name, None), type):
                return built_in
            raise


def _imported(module: str, name: str) -> Any:
    """What `from module import name` gives: the real thing where importing it costs nothing."""
    if module == bounds.__name__ or module.partition(".")[0] in LIGHT:
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            return _submodule(module, name)
    if (path := module_file(module)) is None:
        raise _UnknownError
    try:
        return _resolve(path, name)
    except _UnknownError:
        return _submodule(module, name)


def _submodule(module: str, name: str) -> _Module:
    if module_file(f"{module}.{name}") is None:
        raise _UnknownError
    return _Module(f"{module}.{name}")


def _resolve(path: Path, name: str) -> Any:
    """What a name stands for in a module."""
    key = path, name
    if key not in _resolved:
        _resolved[key] = _UnknownError  # also while it is looked up, should imports run in a circle
        _resolved[key] = _defined(path, name)
    if _resolved[key] is _UnknownError:
        raise _UnknownError
    return _resolved[key]


def _defined(path: Path, name: str) -> Any:
    for each in all_statements(parsed(path).body):
        match each:
            case ast.ClassDef(name=found) if found == name:
                return _class(path, each)
            case ast.FunctionDef(name=found) if found == name:
                return _function(path, each)
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return _evaluated(path, value)
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                return _evaluated(path, value)
            case ast.Import(names=names):
                for alias in names:
                    if name == (alias.asname or alias.name.partition(".")[0]):
                        return _Module(alias.name if alias.asname else name)
            case ast.ImportFrom(names=names):
                found = next((alias.name for alias in names if name == (alias.asname or alias.name)), None)
                if found or names[0].name == "*":
                    try:
                        return _imported(imported_module(path, each), found or name)
                    except _UnknownError:
                        continue
    raise _UnknownError


def _evaluated(path: Path, expression: ast.expr) -> Any:
    """The value of a hint, or of a name's plain definition."""
    if not all(isinstance(each, (*HINT, ast.expr_context, ast.operator, ast.unaryop)) for each in ast.walk(expression)):
        raise _UnknownError
    try:
        return eval(compile(ast.Expression(expression), str(path), "eval"), {"__builtins__": {}}, _Names(path))
    except Exception as error:  # whatever an operator of typing may raise
        raise _UnknownError from error


def _hint(path: Path, expression: ast.expr | None) -> Any:
    """An evaluated hint; empty where there is none or the source does not tell."""
    try:
        value = Parameter.empty if expression is None else _evaluated(path, expression)
        if isinstance(value, str):
            value = _evaluated(path, ast.parse(value, mode="eval").body)
    except (_UnknownError, SyntaxError):
        return Parameter.empty
    return Parameter.empty if isinstance(value, _Module) else value


def _class(path: Path, node: ast.ClassDef) -> type:
    if any(_name(each) not in ("dataclass", "final") for each in node.decorator_list):
        raise _UnknownError
    bases = [_evaluated(path, each.value if isinstance(each, ast.Subscript) else each) for each in node.bases]
    bases = [each for each in bases if each is not Generic and each is not object]
    if not all(isinstance(each, type) and _stands_for_instances(each) for each in bases):
        raise _UnknownError
    operators = {each: _function for each in _members(node) if each in OPERATORS}
    body = {"__module__": module_name(path), **operators}
    try:
        made = new_class(node.name, tuple(bases), exec_body=lambda namespace: namespace.update(body))
    except TypeError as error:
        raise _UnknownError from error
    _sources[made] = path, node
    return made


def _members(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            yield each.name
        elif isinstance(each, ast.AnnAssign):
            yield ast.unparse(each.target)


def _stands_for_instances(base: type) -> bool:
    """Whether only instances of a subclass fit it as a hint: a config's text may stand for a member of an Enum."""
    return base is not Protocol and not issubclass(base, (Enum, str, int, float, dict, list, tuple))


def _function(path: Path, node: ast.FunctionDef) -> Any:
    if not all(_keeps_signature(path, each) for each in node.decorator_list):
        raise _UnknownError

    def stand_in() -> None:
        """Stand for a function that is not imported."""

    stand_in.__name__, stand_in.__module__ = node.name, module_name(path)
    returned = _hint(path, node.returns)
    stand_in.__annotations__ = {} if returned is Parameter.empty else {"return": returned}
    stand_in.__signature__ = Signature(_parameters(path, node.args))
    return stand_in


def _keeps_signature(path: Path, decorator: ast.expr) -> bool:
    """Whether a decorator returns a function with the signature of the decorated one, by functools.wraps."""
    found = find(path, _name(decorator))
    inner = [each for each in ast.walk(found[1]) if isinstance(each, ast.FunctionDef)] if found else []
    return any(_name(each) == "wraps" for function in inner for each in function.decorator_list)


def _name(decorator: ast.expr) -> str:
    """`wraps` of `@functools.wraps(function)`."""
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator).rpartition(".")[2]


def _signature_of(stand_in: type) -> Signature:
    """The signature of a class: of its constructor, its fields, or its base's constructor."""
    for each in stand_in.__mro__:
        if each not in _sources:
            return Signature() if each is object else inspect.signature(each)
        path, node = _sources[each]
        if constructor := constructor_of(node):
            if not all(_keeps_signature(path, decorator) for decorator in constructor.decorator_list):
                raise _UnknownError
            return Signature(_parameters(path, constructor.args)[1:])
        if node.decorator_list and _name(node.decorator_list[0]) == "dataclass":
            return Signature(_fields(path, node, lone=stand_in.__mro__[-2] is each))
        if any(getattr(inner, "name", "") == "__new__" for inner in node.body):
            raise _UnknownError
    return Signature()


def _fields(path: Path, node: ast.ClassDef, *, lone: bool) -> list[Parameter]:
    """The parameters of a dataclass without bases, whose fields would come first, and with plain options only."""
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    written = [ast.unparse(each) for each in fields]
    if not lone or any("ClassVar" in text or "KW_ONLY" in text or "init=False" in text for text in written):
        raise _UnknownError
    arguments = [ast.arg(each.target.id, each.annotation) for each in fields]
    named = "kw_only=True" in ast.unparse(node.decorator_list[0])
    kind = Parameter.KEYWORD_ONLY if named else Parameter.POSITIONAL_OR_KEYWORD
    return _each(path, arguments, [each.value for each in fields], kind)


def _parameters(path: Path, arguments: ast.arguments) -> list[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    named = [
        *_each(path, arguments.posonlyargs, defaults, Parameter.POSITIONAL_ONLY),
        *_each(path, arguments.args, defaults[len(arguments.posonlyargs) :], Parameter.POSITIONAL_OR_KEYWORD),
    ]
    if arguments.vararg:
        named.append(Parameter(arguments.vararg.arg, Parameter.VAR_POSITIONAL))
    named += _each(path, arguments.kwonlyargs, arguments.kw_defaults, Parameter.KEYWORD_ONLY)
    if arguments.kwarg:
        named.append(Parameter(arguments.kwarg.arg, Parameter.VAR_KEYWORD))
    return named


def _each(path: Path, arguments: list[ast.arg], defaults: Iterable[ast.expr | None], kind: Any) -> list[Parameter]:
    found = []
    for argument, written in zip(arguments, defaults, strict=False):
        hint, default = _hint(path, argument.annotation), Parameter.empty
        if written is not None:
            try:
                default = _evaluated(path, written)
            except _UnknownError:  # a value may be this default, which need not fit the hint
                hint, default = Parameter.empty, None
        found.append(Parameter(argument.arg, kind, annotation=hint, default=default))
    return found

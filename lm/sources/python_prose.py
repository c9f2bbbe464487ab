"""What modules say of themselves, as pages to read: docstrings with the names and signatures they are of."""

import ast
import importlib
import inspect
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from textwrap import indent
from types import GetSetDescriptorType, MemberDescriptorType, ModuleType

from lm.sources.python_library import LibraryFile

# Extension modules that are tests, or that do something to the terminal or to a window when imported.
NOT_IMPORTED = re.compile(r"_?(xx|test)\w*|_\w+_test|_xx\w+|readline|_tkinter|_curses\w*")


def page(file: LibraryFile) -> str:
    """The docstrings of a module, its classes and functions, in the file's order; "" if there are none."""
    try:
        with warnings.catch_warnings(action="ignore"):  # old escapes in string literals
            tree = ast.parse(file.read())
    except (SyntaxError, UnicodeDecodeError):  # written for the tests of some parser
        return ""
    parts = [text for text in (ast.get_docstring(tree), *_described(tree)) if text]
    return "\n\n".join([file.module, *parts]) + "\n" if parts else ""


def _described(node: ast.AST) -> Iterator[str]:
    """What has a docstring under `node`, each as its header with the docstring indented under it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            bases = ", ".join(ast.unparse(base) for base in child.bases)
            parts = [text for text in (ast.get_docstring(child), *_described(child)) if text]
            if parts:
                header = f"class {child.name}({bases})" if bases else f"class {child.name}"
                yield header + "\n" + indent("\n\n".join(parts), "    ")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if text := ast.get_docstring(child):
                word = "async def" if isinstance(child, ast.AsyncFunctionDef) else "def"
                yield f"{word} {child.name}({ast.unparse(child.args)})\n{indent(text, '    ')}"
        elif isinstance(child, ast.stmt):  # definitions under if and try
            yield from _described(child)


def compiled_modules() -> list[str]:
    """Names of the modules written in C that are safe to import."""
    names = set(sys.builtin_module_names)
    folder = sysconfig.get_config_var("DESTSHARED")
    if folder:
        for suffix in EXTENSION_SUFFIXES:
            names.update(path.name.removesuffix(suffix) for path in Path(folder).glob(f"*{suffix}"))
    return sorted(name for name in names if name.isidentifier() and not NOT_IMPORTED.fullmatch(name))


def import_compiled(name: str) -> ModuleType | None:
    """A module written in C; None if it cannot be imported here.

    The module that passes its names on goes first: imported before asyncio, `_asyncio` would leave it without them.
    """
    public = name.removeprefix("_")
    try:
        with warnings.catch_warnings(action="ignore"):  # modules on their way out
            if public in sys.stdlib_module_names:
                importlib.import_module(public)
            return importlib.import_module(name)
    except ImportError:  # built without a library that this machine lacks
        return None


def compiled_page(name: str) -> str:
    """The docstrings of a module written in C; "" if it has none or cannot be imported here."""
    module = import_compiled(name)
    if module is None:
        return ""
    parts = [text for text in (_documentation(module), *_members(module, module)) if text]
    return "\n\n".join([name, *parts]) + "\n" if parts else ""


def names_in(owner: ModuleType | type) -> list[tuple[str, object]]:
    """Names and values, by name. The hooks in sys are those it came with: pytest and notebooks put in their own."""
    found = dict(vars(owner))
    if owner is sys:
        found |= {name: found[f"__{name}__"] for name in found if f"__{name}__" in found}
    return sorted(found.items())


def _members(owner: ModuleType | type, module: ModuleType) -> Iterator[str]:
    """What `owner` itself defines and describes, by name. Slots, as __add__, say the same in every class."""
    for name, value in names_in(owner):
        if name.startswith("__"):
            continue
        if isinstance(value, type):
            parts = [text for text in (_documentation(value), *_members(value, module)) if text]
            if parts and value.__module__ == module.__name__:
                yield f"class {name}{_signature(value)}\n" + indent("\n\n".join(parts), "    ")
        elif isinstance(value, GetSetDescriptorType | MemberDescriptorType):
            if text := _documentation(value):
                yield f"{name}\n{indent(text, '    ')}"
        elif inspect.isroutine(value):
            at_home = owner is not module or value.__module__ == module.__name__
            if at_home and (text := _documentation(value)):
                yield f"def {name}{_signature(value)}\n{indent(text, '    ')}"


def _documentation(value: object) -> str:
    text = value.__doc__
    return inspect.cleandoc(text) if isinstance(text, str) else ""


def _signature(value: type | object) -> str:
    """As the C source spells it: a signature's own repr could hold addresses, and no two runs would agree."""
    text = getattr(value, "__text_signature__", None) or "(...)"
    return re.sub(r"\$(self|module|type|cls)(, /)?(, )?", "", text)

"""Pages of documentation: a module's docstrings, each under its name and signature."""

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

# Extension modules that are tests, or that change the terminal or open a window when imported.
NOT_IMPORTED = re.compile(r"_?(xx|test)\w*|_\w+_test|_xx\w+|readline|_tkinter|_curses\w*")


def source_page(file: LibraryFile) -> str:
    """Return the docstrings of a module, its classes and functions in the file's order; "" if it has none."""
    try:
        with warnings.catch_warnings(action="ignore"):  # invalid escapes in old string literals
            tree = ast.parse(file.read())
    except (SyntaxError, UnicodeDecodeError):  # test data of a parser
        return ""
    parts = [text for text in (ast.get_docstring(tree), *_described(tree)) if text]
    return "\n\n".join([file.module, *parts]) + "\n" if parts else ""


def _described(node: ast.AST) -> Iterator[str]:
    """Yield each definition under `node` that has a docstring: its header and the indented docstring."""
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
    """List the modules written in C that are safe to import."""
    names = set(sys.builtin_module_names)
    folder = sysconfig.get_config_var("DESTSHARED")
    if folder:
        for suffix in EXTENSION_SUFFIXES:
            names.update(path.name.removesuffix(suffix) for path in Path(folder).glob(f"*{suffix}"))
    return sorted(name for name in names if name.isidentifier() and not NOT_IMPORTED.fullmatch(name))


def import_compiled(name: str) -> ModuleType | None:
    """Import a module written in C; return None if that fails here.

    The public module that re-exports it is imported first: `_asyncio`, if imported before asyncio, would leave asyncio
    without its names.
    """
    public = name.removeprefix("_")
    try:
        with warnings.catch_warnings(action="ignore"):  # deprecated modules
            if public in sys.stdlib_module_names:
                importlib.import_module(public)
            return importlib.import_module(name)
    except ImportError:  # built without a library that this machine lacks
        return None


def compiled_page(name: str) -> str:
    """Return the docstrings of a module written in C; "" if it has none or cannot be imported here."""
    module = import_compiled(name)
    if module is None:
        return ""
    parts = [text for text in (_documentation(module), *_members(module, module)) if text]
    return "\n\n".join([name, *parts]) + "\n" if parts else ""


def names_in(owner: ModuleType | type) -> list[tuple[str, object]]:
    """List names and values, by name. Hooks of sys are the original ones: pytest and notebooks replace them."""
    names = dict(vars(owner))
    if owner is sys:
        names |= {name: names[f"__{name}__"] for name in names if f"__{name}__" in names}
    return sorted(names.items())


def _members(owner: ModuleType | type, module: ModuleType) -> Iterator[str]:
    """Yield what `owner` itself defines and documents, by name. Slots such as __add__ have the same text everywhere."""
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
            own = owner is not module or value.__module__ == module.__name__
            if own and (text := _documentation(value)):
                yield f"def {name}{_signature(value)}\n{indent(text, '    ')}"


def _documentation(value: object) -> str:
    text = value.__doc__
    return inspect.cleandoc(text) if isinstance(text, str) else ""


def _signature(value: type | object) -> str:
    """The signature as in the C source: the repr of a Signature can contain addresses, different in each run."""
    text = getattr(value, "__text_signature__", None) or "(...)"
    return re.sub(r"\$(self|module|type|cls)(, /)?(, )?", "", text)

"""Every public name of Python's standard library with parameters, summary and code.

Modules written in Python are parsed, not run. Those written in C have no source, so they are imported, together with
the modules that re-export their names.
"""

import ast
import importlib
import inspect
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import dedent, indent
from types import ModuleType

from lm.sources.python_library import LibraryFile, group_of, library_files
from lm.sources.python_prose import compiled_modules, import_compiled, names_in

# Applications and internals that lie in the library without being part of its API.
EXCLUDED = {"distutils", "encodings", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "turtledemo"}
SHOWN_AS = {os.name: "os", os.path.__name__: "os.path"}  # the name people import
SENTENCE_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)\s+(?=[\"'`(A-Z])")
CALL = re.compile(r"[\w.]+(\(|\[|=)")
SCRIPTS = {"main", "test"}  # entry points of modules that can be run
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Entry:
    """A public name of the library; "" where something is unknown or unsuitable."""

    kind: str  # module, class, function, method
    module: str  # json; builtins
    path: str  # JSONEncoder.encode; "" for the module itself
    group: str  # held out together, as in the corpus
    summary: str = ""  # the first sentence of its docstring
    arguments: str | None = None  # obj, *, indent=None
    header: str = ""  # def dumps(obj):
    body: str = ""  # its code without the docstring, indented

    @property
    def name(self) -> str:
        """The name as code spells it: json.dumps; len."""
        return ".".join(filter(None, ["" if self.module == "builtins" else self.module, self.path]))


def library_entries() -> list[Entry]:
    """Return every public name of the standard library in a fixed order."""
    files = [file for file in library_files() if _is_public(file.module)]
    modules = {file.module for file in files}
    entries = [entry for file in files for entry in _entries(file)]
    entries += [entry for name in compiled_modules() for entry in _compiled(name, modules)]
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.name, entry)
    return list(first.values())


def _is_public(module: str) -> bool:
    parts = module.split(".")
    return parts[0] not in EXCLUDED and not any(part.startswith("_") for part in parts)


def first_sentence(text: str | None) -> str:
    """Return the first sentence of a docstring on one line; "" if it begins with anything else."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    if CALL.match(paragraphs[0]):
        del paragraphs[0]  # a signature, as in docstrings of C functions
    if not paragraphs:
        return ""
    paragraph = " ".join(paragraphs[0].replace("``", "").split())
    sentence = SENTENCE_END.split(paragraph)[0].rstrip(" ,;")
    if len(sentence) < 12 or not sentence[0].isalpha() or sentence.endswith(":") or "\\" in sentence:
        return ""
    if CALL.match(sentence) or re.search(r"->|>>>|--|==|::|\$Id", sentence):
        return ""  # an example, a list of signatures, a rule under a title
    return sentence[0].upper() + sentence[1:] + ("" if sentence[-1] in ".!?" else ".")


def _entries(file: LibraryFile) -> Iterator[Entry]:
    """The module of a file and its definitions."""
    text = file.read()
    with warnings.catch_warnings(action="ignore"):  # old escapes in string literals
        tree = ast.parse(text)
    module, lines = SHOWN_AS.get(file.module, file.module), text.splitlines()
    yield Entry("module", module, "", file.group, first_sentence(ast.get_docstring(tree)))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class(node, module, file.group, lines)
        elif isinstance(node, Function) and not node.name.startswith("_") and node.name not in SCRIPTS:
            yield _function(node, module, file.group, lines)


def _class(node: ast.ClassDef, module: str, group: str, lines: list[str]) -> Iterator[Entry]:
    """A class and its methods."""
    methods = [child for child in node.body if isinstance(child, Function)]
    made = [_arguments(method, drop_first=True) for method in methods if method.name == "__init__"]
    summary = first_sentence(ast.get_docstring(node))
    yield Entry("class", module, node.name, group, summary, made[0] if made else None)
    for method in methods:
        if not method.name.startswith("_"):
            yield _function(method, module, group, lines, owner=node.name)


def _function(node: Function, module: str, group: str, lines: list[str], *, owner: str = "") -> Entry:
    """A function, or a method of the class `owner`."""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    called = not any("property" in name or name.endswith((".setter", ".deleter")) for name in decorators)
    bound = bool(owner) and "staticmethod" not in decorators
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return Entry(
        "method" if owner else "function",
        module,
        f"{owner}.{node.name}" if owner else node.name,
        group,
        first_sentence(ast.get_docstring(node)),
        _arguments(node, drop_first=bound) if called else None,
        f"{word} {node.name}({_arguments(node, drop_first=False)}):",
        _body(node, lines) if called else "",
    )


def _arguments(node: Function, *, drop_first: bool) -> str:
    """The parameters, without annotations; `drop_first` leaves out self."""
    arguments = node.args
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    text = ast.unparse(arguments)
    positional = [*arguments.posonlyargs, *arguments.args]
    if not drop_first or not positional:
        return text
    return re.sub(rf"{positional[0].arg}(, /)?(, )?", "", text, count=1)


def _body(node: Function, lines: list[str]) -> str:
    """The code under the header, comments included, without the docstring; "" if nothing else."""
    statements = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not statements or all(isinstance(statement, ast.Pass | ast.Raise) for statement in statements):
        return ""
    begin = node.body[0].end_lineno if len(statements) < len(node.body) else statements[0].lineno - 1
    code = dedent("\n".join(lines[begin : node.end_lineno])).strip("\n")
    return indent(code, "    ") if code else ""


def _compiled(name: str, library: set[str]) -> Iterator[Entry]:
    """The public names of a module written in C, under the module that people import."""
    shown = SHOWN_AS.get(name, name.removeprefix("_"))
    if not _is_public(shown) or (shown != name and shown not in library):
        return
    module = import_compiled(name)
    if module is None:
        return
    public = importlib.import_module(shown)
    group = group_of(name)
    if shown == name:
        yield Entry("module", shown, "", group, first_sentence(module.__doc__))
    for path, value in _members(module, public):
        kind = "class" if isinstance(value, type) else "method" if "." in path else "function"
        yield Entry(kind, shown, path, group, first_sentence(value.__doc__), _c_arguments(value, path.split(".")[-1]))


def _members(module: ModuleType, public: ModuleType) -> Iterator[tuple[str, object]]:
    """Names and values that `module` defines and `public` re-exports, and the methods of its classes."""
    for name, value in names_in(module):
        if name.startswith("_") or (public is not module and getattr(public, name, None) is not value):
            continue
        if isinstance(value, type):
            yield name, value
            yield from ((f"{name}.{path}", method) for path, method in _methods(value))
        elif inspect.isbuiltin(value):
            yield name, value


def _methods(owner: type) -> Iterable[tuple[str, object]]:
    return [(name, value) for name, value in names_in(owner) if inspect.isroutine(value) and not name.startswith("_")]


def _c_arguments(value: object, name: str) -> str | None:
    """The parameters as the C source spells them, without self; else from the docstring."""
    signature = getattr(value, "__text_signature__", None)
    if signature is None:
        first_line = (value.__doc__ or "").split("\n")[0]
        found = re.match(rf"{name}\(([\w ,=*/.]*)\)", first_line)
        return found[1] if found else None
    if "<" in signature:  # a default that has no literal
        return None
    return re.sub(r"\$\w+(, /)?(, )?", "", signature.removeprefix("(").removesuffix(")"))

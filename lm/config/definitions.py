"""Classes and functions found in source files, imports followed, without importing a module."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def module_file(module: str) -> Path | None:
    """The file of a module, found without importing it."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    file, places = spec.origin, [*(spec.submodule_search_locations or ())]
    for name in rest:
        below = [Path(place, name) for place in places]
        places = [str(each) for each in below if each.is_dir()]
        candidates = [path for each in below for path in (each / "__init__.py", each.with_suffix(".py"))]
        file = next((str(path) for path in candidates if path.is_file()), None)
    return Path(file) if file and file.endswith(".py") and Path(file).is_file() else None


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def find(path: Path, name: str) -> tuple[Path, ast.AST] | None:
    """The class or function called `name` in a module, imports followed."""
    statements = [*all_statements(parsed(path).body)]
    for each in statements:
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name:
            return path, each
    for each in statements:
        for alias in each.names if isinstance(each, ast.ImportFrom) else ():
            found = alias.name if name == (alias.asname or alias.name) else name if alias.name == "*" else None
            source = found and module_file(imported_module(path, each))
            if source and source != path and (definition := find(source, found)):
                return definition
    return None


def all_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, those within `if` and `try` included."""
    for each in body:
        yield each
        if isinstance(each, ast.If | ast.Try):
            handled = [statement for handler in getattr(each, "handlers", ()) for statement in handler.body]
            yield from all_statements([*each.body, *each.orelse, *handled])


def imported_module(path: Path, statement: ast.ImportFrom) -> str:
    """The absolute name of the module that an import in `path` names."""
    if not statement.level:
        return statement.module or ""
    return ".".join(filter(None, [*package_names(path.parents[statement.level - 1]), statement.module]))


def package_names(directory: Path) -> list[str]:
    """The names of the package in a directory, outermost first."""
    inside = (directory / "__init__.py").is_file()
    return [*package_names(directory.parent), directory.name] if inside else []


def constructor_of(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)


def base_classes(path: Path, node: ast.ClassDef) -> list[tuple[Path, ast.ClassDef]]:
    found = [find(path, each.id) for each in node.bases if isinstance(each, ast.Name)]
    return [each for each in found if each and isinstance(each[1], ast.ClassDef)]


@cache
def module_name(path: Path) -> str:
    """The name by which a source file is imported."""
    names = package_names(path.parent)
    return ".".join(names if path.name == "__init__.py" else [*names, path.stem])

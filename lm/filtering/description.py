"""A configured part as plain data, by which what it has made is known again."""

import inspect
import os
from collections.abc import Mapping, Set
from functools import cache
from pathlib import Path
from typing import Any

import lm
from lm.corpus import Source
from lm.files import hash_bytes, hash_file


def described(part: Any) -> Any:
    """A part by its class and its parameters, which it keeps by their names; a source and a file by their content."""
    if isinstance(part, Source):
        return part.fingerprint()
    if isinstance(part, Mapping):
        return {str(key): described(each) for key, each in part.items()}
    if isinstance(part, Set):
        return sorted(map(str, part))
    if isinstance(part, list | tuple):
        return [described(each) for each in part]
    if isinstance(part, str | Path) and len(str(part)) < 4096 and os.path.isfile(part):
        return [str(part), hash_file(part)]
    if part is None or isinstance(part, str | int | float | bool):
        return part
    kind = type(part)
    parameters = {name: described(getattr(part, name)) for name in inspect.signature(kind).parameters}
    return [f"{kind.__module__}.{kind.__qualname__}", parameters]


def code_of(part: Any) -> str:
    """Hash of the code that a filter runs: all of our own filters, which use each other, and the file it stands in."""
    return hash_bytes((_filters() + hash_file(inspect.getfile(type(part)))).encode())


@cache
def _filters() -> str:
    return "".join(hash_file(file) for file in sorted(Path(lm.__file__).parent.rglob("filter/**/*.py")))

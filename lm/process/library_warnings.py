"""Warnings of Python libraries as one line each, without the source line that raised them."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TextIO


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Print warnings as `note: PACKAGE: what it says`; as Python prints them with LM_DEBUG=1."""
    before = warnings.showwarning
    if not os.environ.get("LM_DEBUG"):
        warnings.showwarning = _show
    try:
        yield
    finally:
        warnings.showwarning = before


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"note: {_package(filename)}: {' '.join(str(message).split())}", file=file or sys.stderr, flush=True)


def _package(filename: str) -> str:
    """The package that a file belongs to, by its path."""
    parts = PurePath(filename).with_suffix("").parts
    if "site-packages" in parts[:-1]:
        return parts[len(parts) - parts[::-1].index("site-packages")]
    return "lm" if "lm" in parts[:-1] else parts[-1] if parts else "python"

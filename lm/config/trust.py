"""The packages whose code a job may run because a file of a run names it: those that the user's own command trusts.

A run directory can come from anywhere, and building what `model.json` names runs code. The command's own YAML and
overrides need no trust: the user wrote them.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from lm.config.target import locate

TRUST = "trust"  # the key of a job
_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


@contextmanager
def trusting(packages: Iterable[str]) -> Iterator[None]:
    """Trust packages, as `mine` or `mine.parts`, besides those trusted already.

    Raises:
        ValueError: A name is not that of a package.
    """
    packages = [*packages]
    for name in packages:
        if not re.fullmatch(r"\w+(\.\w+)*", name):
            raise ValueError(f"trust: {name!r} is not the name of a package or module: try trust=[mine]")
    token = _trusted.set((*_trusted.get(), *packages))
    try:
        yield
    finally:
        _trusted.reset(token)


def locate_trusted(target: str, ours: Iterable[str]) -> tuple[Any, str]:
    """Find what a file of a run names, and import it only if its package is one of `ours` or trusted.

    The name and the module that defines the part are both checked: `lm.model.attention.torch.load` only starts like a
    part of lm.model.

    Args:
        target: Dotted name.
        ours: Packages that need no trust, as `lm.model`.

    Returns:
        The class or function, and ""; or None and the reason, which says how to trust the package.
    """
    packages = (*ours, *_trusted.get())
    if not _within(target, packages):
        return None, (
            f"{target}, which is not part of {' or '.join(ours)}; loading it would run code of that package, so it is "
            f"refused: if you trust it, add trust=[{target.partition('.')[0]}] to the command"
        )
    found, complaint = locate(target)
    if complaint:
        return None, f"{target}, which cannot be loaded: {complaint}"
    module = getattr(found, "__module__", None) or ""
    if not _within(module, packages):
        return None, (
            f"{target}, which is not part of {' or '.join(ours)}: it is defined in {module or 'no module'}; add "
            f"trust=[{module.partition('.')[0]}] if you trust that"
        )
    return found, ""


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)

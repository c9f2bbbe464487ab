"""Which parts of a model a pattern names, so that what trains can be said in a list."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase


def named(
    patterns: Sequence[str], names: Iterable[str], *, key: str, forms: Callable[[str], Iterator[str]]
) -> list[str]:
    """Those of the dotted `names` of which a form (see below) fits a pattern of `*`, `?` and `[…]`.

    A pattern that names nothing is a ValueError at `key`: a typo must not quietly train something else.
    """
    there = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(form, pattern) for name in there for form in forms(name)):
            raise ValueError(f"{key}: {pattern} names nothing in this model; there is {', '.join(summary(there))}")
    return [name for name in there if any(fnmatchcase(form, pattern) for form in forms(name) for pattern in patterns)]


def beginnings(name: str) -> Iterator[str]:
    """The name and all that it is a part of: a.b.c, a.b, a."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def endings(name: str) -> Iterator[str]:
    """The name as seen from the model and from each part around it: a.b.c, b.c, c."""
    while name:
        yield name
        name = name.partition(".")[2]


def summary(names: Iterable[str]) -> list[str]:
    """The names once each, with * for numbers: a layer is like the next."""
    return [*dict.fromkeys(".".join("*" if part.isdigit() else part for part in name.split(".")) for name in names)]

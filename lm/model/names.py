"""Patterns that name parts of a model, so that a list in a config can say what trains."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase


def match_names(
    patterns: Sequence[str], names: Iterable[str], *, key: str, forms: Callable[[str], Iterator[str]]
) -> list[str]:
    """Return the dotted names that fit a pattern of `*`, `?` and `[…]`.

    Args:
        patterns: Patterns, any of which may fit.
        names: Dotted names to choose from.
        key: Key of the patterns in the config, for the message.
        forms: Yields the forms of a name that a pattern may fit: `prefixes` or `suffixes`.

    Raises:
        ValueError: A pattern fits nothing: a typo must not train something else silently.
    """
    available = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(form, pattern) for name in available for form in forms(name)):
            raise ValueError(f"{key}: {pattern} names nothing in this model; there is {', '.join(summary(available))}")
    return [
        name for name in available if any(fnmatchcase(form, pattern) for form in forms(name) for pattern in patterns)
    ]


def prefixes(name: str) -> Iterator[str]:
    """Yield the name and the parts that contain it: a.b.c, a.b, a."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def suffixes(name: str) -> Iterator[str]:
    """Yield the name relative to the model and to each part that contains it: a.b.c, b.c, c."""
    while name:
        yield name
        name = name.partition(".")[2]


def summary(names: Iterable[str]) -> list[str]:
    """Return the distinct names, with * for numbers: layers are alike."""
    return [*dict.fromkeys(".".join("*" if part.isdigit() else part for part in name.split(".")) for name in names)]

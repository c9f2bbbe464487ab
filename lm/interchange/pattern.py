"""Kinds of layers, of which config.json names each and a model.json the pattern that repeats."""

from collections.abc import Sequence
from typing import Any

SLIDING, FULL = "sliding_attention", "full_attention"


def repeated(kinds: Sequence[Any]) -> list[Any]:
    """Return the shortest list that gives `kinds` when it is repeated, which may end within it."""
    lengths = range(1, len(kinds) + 1)
    period = next(length for length in lengths if all(kind == kinds[at % length] for at, kind in enumerate(kinds)))
    return [*kinds[:period]]


def one_or_several(parts: list[Any]) -> Any:
    """Return the part itself where a pattern has one."""
    return parts[0] if len(parts) == 1 else parts

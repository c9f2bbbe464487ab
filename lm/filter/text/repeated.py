"""What is said again: how many of the parts are copies of earlier ones, and how many characters those hold."""

from collections.abc import Sequence


def repeated(parts: Sequence[str]) -> tuple[int, int]:
    """Parts beyond the first of each, and their characters."""
    distinct = set(parts)
    return len(parts) - len(distinct), sum(map(len, parts)) - sum(map(len, distinct))

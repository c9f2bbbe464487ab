"""A field of a record, or an error that says which there are."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any


def field_of(record: Mapping[str, Any], field: str, key: str, where: str) -> Any:
    """The value of `field`, which the config has at `key`, in the record at the place `where`."""
    if field in record:
        return record[field]
    near = get_close_matches(field, record, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, record)) or 'none'}"
    raise ValueError(f"{where} has no field {field!r} ({key}): {hint}")

"""A record or a message that remembers which of its fields were read."""

from collections.abc import Mapping
from typing import Any

from lm.sources.fields import is_missing


class Record(dict):
    """The fields of a record or of a message, with those that were read.

    Looking a field up reads it; `peek` and `in` do not. `judged` says whether it is one answer of a comparison that was
    read, so that nothing about it is to be refused.

    Args:
        fields: The fields by name.
    """

    judged: bool = False

    def __init__(self, fields: Mapping[str, Any]):
        super().__init__(fields)
        self._read: set[str] = set()

    def __getitem__(self, field: str) -> Any:
        self._read.add(field)
        return super().__getitem__(field)

    def get(self, field: str, default: Any = None) -> Any:
        self._read.add(field)
        return super().get(field, default)

    def peek(self, field: str) -> Any:
        """Return the value of a field, None without it, and do not count it as read."""
        return super().get(field)

    def unread(self) -> list[str]:
        """Return the fields that hold something and were not read."""
        return [field for field, value in self.items() if field not in self._read and not is_empty(value)]


class Instance(Record):
    """One of several objects within a record, whose fields stand before those of the record.

    Args:
        record: The record.
        fields: The fields of the object.
    """

    def __init__(self, record: Record, fields: Mapping[str, Any]):
        super().__init__({**record, **fields})
        self.record, self.own = record, Record(fields)

    def __getitem__(self, field: str) -> Any:
        return (self.own if field in self.own else self.record)[field]

    def get(self, field: str, default: Any = None) -> Any:
        return (self.own if field in self.own else self.record).get(field, default)


def is_empty(value: object) -> bool:
    """Whether a value says nothing: None, NaN, blank text, an empty list or object. False and 0 say something."""
    if isinstance(value, str):
        return not value.strip()
    return is_missing(value) or (isinstance(value, list | dict) and not value)

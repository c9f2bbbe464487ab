"""Turn the fields of a record into a document, with errors that list the fields that exist."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lm.corpus import Document


class MissingFieldError(ValueError):
    """A record lacks a field. In the first record of a file, the config is wrong rather than the record."""


def field_of(record: Mapping[str, Any], field: str, key: str, where: str) -> Any:
    """Return the value of `field`, or raise an error with the config `key` and the place `where`."""
    if field in record:
        return record[field]
    near = get_close_matches(field, record, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, record)) or 'none'}"
    raise MissingFieldError(f"{where} has no field {field!r} ({key}): {hint}")


@dataclass(frozen=True)
class Fields:
    """Names of the record fields that describe a document besides its text.

    Args:
        id: Field with the document's id; None: file and line or row.
        kind: Field with its kind; None: the source's `kind`.
        language: Field with its language code; None: unknown.
        metadata: Fields to keep with the document.
    """

    id: str | None = None
    kind: str | None = None
    language: str | None = None
    metadata: tuple[str, ...] = ()

    def identity(self) -> list:
        """What, besides id and kind, changes the documents: for the fingerprint."""
        return [self.language, list(self.metadata)] if self.language is not None or self.metadata else []

    def keys(self) -> dict[str, str]:
        """Map each field to the config key that names it."""
        named = {"id_field": self.id, "kind_field": self.kind, "language_field": self.language}
        keys = {field: f"corpus.{key}" for key, field in named.items() if field is not None}
        return dict.fromkeys(self.metadata, "corpus.metadata_fields") | keys

    def document(
        self, record: Mapping[str, Any], text: str, *, name: str, kind: str, source: str, where: str
    ) -> Document:
        """Build the document of a record; `name` and `kind` apply where no field is set for them."""
        if self.id is not None:
            name = _string(field_of(record, self.id, "corpus.id_field", where))
        if self.kind is not None:
            kind = _string(field_of(record, self.kind, "corpus.kind_field", where))
        language = ""
        if self.language is not None:
            code = field_of(record, self.language, "corpus.language_field", where)
            language = "" if code is None else _string(code)
        if not self.metadata:
            return Document(text, name, kind, source=source, language=language)
        values = {field: field_of(record, field, "corpus.metadata_fields", where) for field in self.metadata}
        metadata = {field: _plain(value) for field, value in values.items() if value is not None}
        return Document(text, name, kind, source=source, language=language, metadata=metadata)


def whole_characters(text: str) -> str:
    """Replace lone surrogates, which JSON can encode, by �."""
    try:
        text.encode()  # ten times faster than encoding and decoding
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _string(value: Any) -> str:
    return whole_characters(str(value))


def _plain(value: Any) -> Any:
    """Convert a value to plain JSON data; other types, such as dates, become strings."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return whole_characters(value)
    return value if isinstance(value, bool | int | float) else json.loads(json.dumps(value, default=str))

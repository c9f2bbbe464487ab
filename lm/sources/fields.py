"""What the fields of a record say of its document, or an error that says which fields there are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lm.corpus import Document


class MissingFieldError(ValueError):
    """A record that lacks a field: of the first record of a file, the config is wrong and not the record."""


def field_of(record: Mapping[str, Any], field: str, key: str, where: str) -> Any:
    """The value of `field`, which the config has at `key`, in the record at the place `where`."""
    if field in record:
        return record[field]
    near = get_close_matches(field, record, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, record)) or 'none'}"
    raise MissingFieldError(f"{where} has no field {field!r} ({key}): {hint}")


@dataclass(frozen=True)
class Fields:
    """Where records have what is known of their documents besides the text; None where no field says it."""

    id: str | None = None
    kind: str | None = None
    language: str | None = None
    metadata: tuple[str, ...] = ()

    def identity(self) -> list:
        """What besides id and kind makes other documents of the same records."""
        return [self.language, list(self.metadata)] if self.language is not None or self.metadata else []

    def keys(self) -> dict[str, str]:
        """Each field that is read, with where the config has it."""
        named = {"id_field": self.id, "kind_field": self.kind, "language_field": self.language}
        keys = {field: f"corpus.{key}" for key, field in named.items() if field is not None}
        return dict.fromkeys(self.metadata, "corpus.metadata_fields") | keys

    def document(
        self, record: Mapping[str, Any], text: str, *, name: str, kind: str, source: str, where: str
    ) -> Document:
        """The document of a record; `name` and `kind` are its own where no field says them."""
        if self.id is not None:
            name = _word(field_of(record, self.id, "corpus.id_field", where))
        if self.kind is not None:
            kind = _word(field_of(record, self.kind, "corpus.kind_field", where))
        language = ""
        if self.language is not None:
            said = field_of(record, self.language, "corpus.language_field", where)
            language = "" if said is None else _word(said)
        if not self.metadata:
            return Document(text, name, kind, source=source, language=language)
        values = {field: field_of(record, field, "corpus.metadata_fields", where) for field in self.metadata}
        metadata = {field: _plain(value) for field, value in values.items() if value is not None}
        return Document(text, name, kind, source=source, language=language, metadata=metadata)


def whole_characters(text: str) -> str:
    """The text itself, or with � for halves of characters (lone surrogates), which JSON can spell."""
    try:
        text.encode()  # ten times faster than the way there and back
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _word(value: Any) -> str:
    return whole_characters(str(value))


def _plain(value: Any) -> Any:
    """As JSON can hold it: of what a table has besides, as dates, what is written for it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return whole_characters(value)
    return value if isinstance(value, bool | int | float) else json.loads(json.dumps(value, default=str))

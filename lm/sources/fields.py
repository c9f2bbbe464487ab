"""Turn the fields of a record into a document, with errors that list the fields that exist."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lm.corpus import Document


class MissingFieldError(ValueError):
    """A record lacks a field. In the first record of a file, the config is wrong rather than the record."""


def field_of(record: Mapping[str, Any], field: str, key: str, where: str) -> Any:
    """Return the value of a field.

    A name with dots leads into nested objects and lists, as meta.text or turns.0.text; a field with just this name
    comes first. Below a null there are only nulls.

    Raises:
        MissingFieldError: There is no such field; with the config key, the place and the similar fields, or all.
    """
    if field in record:
        return record[field]
    if "." in field and (values := list(_nested(record, field))):
        return values[0]
    known = [*record, *_paths(record)]
    near = get_close_matches(field, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, record)) or 'none'}"
    raise MissingFieldError(f"{where} has no field {field!r} ({key}): {hint}")


def root_of(names: Collection[str], field: str) -> str:
    """Return the one of `names` that holds a field with dots: the longest that begins it; else the field itself."""
    roots = [name for name in names if field == name or field.startswith(f"{name}.")]
    return max(roots, key=len, default=field)


def lists_in(record: Mapping[str, Any]) -> dict[str, int]:
    """Return the lengths of the lists of objects in a record, by field: it may be a file's one object around them."""
    found = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{field}": length for field, length in lists_in(value).items()}
        elif isinstance(value, list) and value and all(isinstance(member, Mapping) for member in value):
            found[name] = len(value)
    return found


def _nested(value: Any, field: str) -> Iterator[Any]:
    """Yield what a path leads to; nothing if it leads nowhere. Keys that contain dots come before shorter ones."""
    if value is None:
        yield None
    elif isinstance(value, Mapping):
        if field in value:
            yield value[field]
        parts = field.split(".")
        for size in range(len(parts) - 1, 0, -1):
            name = ".".join(parts[:size])
            if name in value:
                yield from _nested(value[name], ".".join(parts[size:]))
    elif isinstance(value, list):
        number, _, rest = field.partition(".")
        if number.isdecimal() and int(number) < len(value):
            member = value[int(number)]
            yield from _nested(member, rest) if rest else [member]


def _paths(record: Mapping[str, Any]) -> list[str]:
    return [f"{name}.{field}" for name, value in record.items() if isinstance(value, Mapping) for field in value]


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
        """Build the document of a record; `name` and `kind` apply where no field is set for them or it is empty."""
        if self.id is not None:
            name = _label(field_of(record, self.id, "corpus.id_field", where)) or name
        if self.kind is not None:
            kind = _label(field_of(record, self.kind, "corpus.kind_field", where)) or kind
        language = ""
        if self.language is not None:
            language = _label(field_of(record, self.language, "corpus.language_field", where))
        if not self.metadata:
            return Document(text, name, kind, source=source, language=language)
        values = {field: field_of(record, field, "corpus.metadata_fields", where) for field in self.metadata}
        metadata = {field: _plain(value) for field, value in values.items() if not is_missing(value)}
        return Document(text, name, kind, source=source, language=language, metadata=metadata)


def whole_characters(text: str) -> str:
    """Replace lone surrogates, which JSON can encode, by �."""
    try:
        text.encode()  # ten times faster than encoding and decoding
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: null, or NaN as pandas writes it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _label(value: Any) -> str:
    """The text of an id, kind or language as JSON has it, but strings without quotes; "" for none."""
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, bool | list | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return whole_characters(str(value))


def _plain(value: Any) -> Any:
    """Convert a value to plain JSON data; other types, such as dates, become strings."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return whole_characters(value)
    return value if isinstance(value, bool | int | float) else json.loads(json.dumps(value, default=str))

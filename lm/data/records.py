"""Records of JSON and JSON Lines files, each with the place it comes from.

A file that opens with `[` is one list of records; any other has a record a line.
"""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import chain, dropwhile
from pathlib import Path

from lm.corpus.members import open_members


def read_records(file: Path) -> Iterator[tuple[str, dict]]:
    """(place, record) of each record of a file, whether it is one list or has one a line."""
    for name, stream in open_members(file):
        member = str(file.parent / name)
        lines = dropwhile(lambda line: not line[1].strip(), enumerate(stream, start=1))
        first, opening = next(lines, (1, b""))
        opening = opening.removeprefix(b"\xef\xbb\xbf")
        if opening.lstrip().startswith(b"["):
            for number, record in enumerate(_parse(opening + stream.read(), member), start=1):
                yield _object(record, f"{member}, record {number}")
            continue
        for number, line in chain([(first, opening)], lines):
            if line.strip():
                yield _object(_parse(line, f"{member}:{number}"), f"{member}:{number}")


def _object(record: object, place: str) -> tuple[str, dict]:
    if not isinstance(record, dict):
        raise ValueError(f"{place} is {kind_of(record)}, not an object with fields")
    return place, record


def _parse(text: bytes, place: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        remedy = "a file with one object over several lines must be a list: put [ and ] around them"
        hint = f" ({remedy})" if text.strip() == b"{" else ""
        raise ValueError(f"{place} is not JSON: {error}{hint}") from None


def field_of(record: Mapping, field: str, place: str) -> object:
    """The value of a field, or an error that says which there are."""
    if field in record:
        return record[field]
    near = get_close_matches(field, record, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, record)) or 'none'}."
    raise ValueError(
        f"{place} has no field {field!r}: {hint} Name the fields of your file in data.conversations, as "
        "messages_field, question_field or answer_field"
    )


def kind_of(value: object) -> str:
    """What a value is, in words."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"

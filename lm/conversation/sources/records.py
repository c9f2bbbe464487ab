"""Records of JSON, JSON Lines, CSV, TSV and Parquet files, each with the place it comes from.

A file is a table if its name says so. Any other that opens with `[` is one list of records, or has a record a line.
"""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import chain, dropwhile
from pathlib import Path

from lm.sources.csv_rows import csv_rows
from lm.sources.members import open_members
from lm.sources.parquet_rows import parquet_rows
from lm.sources.table import DELIMITERS, form_of


def read_records(file: Path, *, columns: list[str] | None = None, quoted: bool = True) -> Iterator[tuple[str, dict]]:
    """(place, record) of each record of a file, whether it is a table, one list or has one a line.

    `columns` names the fields of CSV and TSV without a header, in which quotes mean nothing unless `quoted`.
    """
    if form_of(file.name) == ".parquet":
        for number, record in enumerate(parquet_rows(file, choose=lambda fields: fields), start=1):
            yield f"{file}:{number}", record
        return
    for name, stream in open_members(file):
        member = str(file.parent / name)
        form = form_of(name)
        if form in DELIMITERS:
            rows = csv_rows(
                stream,
                where=member,
                delimiter=DELIMITERS[form],
                quoted=quoted,
                columns=columns,
                key="data.conversations",
            )
            header = next(rows, [])
            for number, cells in enumerate(rows, start=1):
                if isinstance(cells, str):
                    raise ValueError(cells)
                yield f"{member} row {number}", dict(zip(header, cells, strict=True))
            continue
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

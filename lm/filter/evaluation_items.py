"""Items of evaluation files as texts, whatever their format: what must not be learned before it is asked.

JSON Lines, JSON, CSV and TSV are known by the name of the file; any other is plain text, of which each line is an
item. In a JSON file that is one object, what its lists hold are items, and what it holds besides is one more.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from lm.sources.csv_rows import LARGEST_FIELD
from lm.sources.members import find_files, open_members

PACKED = (".gz", ".zst")


@dataclass(frozen=True)
class Item:
    """The texts of an item; `line` is its line in the file, in a JSON file its number, from 1."""

    file: str
    line: int
    texts: tuple[str, ...]


def evaluation_files(paths: str | list[str]) -> list[Path]:
    """The files that filter.paths names."""
    return find_files(paths, key="filter.paths")


def read_items(file: Path, *, fields: list[str] | None) -> Iterator[Item]:
    """The items of a file, of each the texts of `fields` (null: all). Plain text has no fields: all of it counts."""
    for name, stream in open_members(file):
        place = str(file.parent / name)
        try:
            content = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            remedy = "give JSON Lines, JSON, CSV, TSV or plain text in UTF-8"
            raise ValueError(f"filter.paths {place} is not UTF-8 ({error.reason}): {remedy}") from None
        known: dict[str, None] = {}
        chosen = False
        for line, value in _values(content, _ending(name), place):
            if isinstance(value, dict):
                known.update(dict.fromkeys(value))
                if fields is not None:
                    if list(value) == list(value.values()):
                        continue  # the names of columns
                    value = {field: value[field] for field in fields if field in value}
                    chosen |= bool(value)
            yield Item(place, line, tuple(_texts(value)))
        if fields is not None and known and not chosen:
            near = [match for field in fields for match in get_close_matches(field, known, n=1)]
            hint = f"did you mean {near[0]!r}?" if near else f"give some of {', '.join(map(repr, known))}, or null"
            raise ValueError(f"filter.fields {fields}: {place} has none of them: {hint}")


def _ending(name: str) -> str:
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in PACKED else path.suffix


def _values(content: str, ending: str, place: str) -> Iterator[tuple[int, object]]:
    if ending in (".jsonl", ".ndjson"):
        yield from _json_lines(content, place)
    elif ending == ".json":
        yield from _json(content, place)
    elif ending in (".csv", ".tsv"):
        yield from _table(content, ending, place)
    else:
        yield from enumerate(content.split("\n"), start=1)


def _json_lines(content: str, place: str) -> Iterator[tuple[int, object]]:
    for line, each in enumerate(content.split("\n"), start=1):
        if each.strip():
            yield line, _parsed(each, f"{place}:{line}")


def _json(content: str, place: str) -> Iterator[tuple[int, object]]:
    """One value, or one a line under the name of .json."""
    first, _, rest = content.strip().partition("\n")
    if rest and first.startswith("{") and first.rstrip().endswith("}"):
        yield from _json_lines(content, place)
    else:
        yield from enumerate(_listed(_parsed(content, place)), start=1)


def _listed(value: object) -> Iterator[object]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        besides = {}
        for name, each in value.items():
            if isinstance(each, list | dict):
                yield from _listed(each)
            else:
                besides[name] = each
        if besides:
            yield besides
    else:
        yield value


def _parsed(text: str, place: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"filter.paths {place} is not JSON: {error}: repair it, or leave it out") from None


def _table(content: str, ending: str, place: str) -> Iterator[tuple[int, object]]:
    """Rows by the names in the first, which is itself an item, as it may be one without names."""
    quoting = csv.QUOTE_MINIMAL if ending == ".csv" else csv.QUOTE_NONE
    csv.field_size_limit(LARGEST_FIELD)  # of the whole process, so said wherever tables are read
    delimiter = "," if ending == ".csv" else "\t"
    rows = csv.reader(StringIO(content, newline=""), delimiter=delimiter, quoting=quoting)  # MMLU's quotes are loose
    names: list[str] = []
    line = 1
    try:
        for row in rows:
            names = names or row
            extra = [f"column {number}" for number in range(len(names) + 1, len(row) + 1)]
            yield line, dict(zip([*names, *extra], row, strict=False)) if len({*names}) == len(names) else row
            line = rows.line_num + 1
    except csv.Error as error:
        raise ValueError(f"filter.paths {place}:{line} is no table: {error}: repair it, or leave it out") from None


def _texts(value: object) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)

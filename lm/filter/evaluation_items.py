"""Read the texts of evaluation items from JSON Lines, JSON, CSV, TSV or plain text.

The file name decides the format; a file with another ending is plain text with an item per line. In a JSON file that is
one object, the elements of its lists are items, and its other values are one more item.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from lm.corpus.tally import Tally
from lm.sources.delimiter import SAMPLE, find_delimiter
from lm.sources.encoding import Encoding
from lm.sources.file_formats import MetadataError
from lm.sources.members import open_members
from lm.sources.rows import LARGEST_FIELD

PACKED = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class Item:
    """The texts of an item; `line` is its line in the file, or its number in a JSON file, from 1."""

    file: str
    line: int
    texts: tuple[str, ...]


def read_items(file: Path, *, fields: list[str] | None) -> Iterator[Item]:
    """Yield the items of a file with the texts of `fields`, all if None. Plain text has no fields and counts whole."""
    for name, packed in open_members(file):
        place = str(file.parent / name)
        try:
            stream = Encoding("utf-8", key="filter.encoding").utf8(packed, name=place, tally=Tally())
            content = stream.read().decode()
        except MetadataError:
            continue  # nothing of the user's
        except UnicodeDecodeError as error:
            remedy = "give JSON Lines, JSON, CSV, TSV or plain text in UTF-8"
            raise ValueError(f"filter.paths {place} is not UTF-8 ({error.reason}): {remedy}") from None
        known: dict[str, None] = {}
        chosen = False
        for line, value in _values(content, _ending(name), place, fields or []):
            if isinstance(value, dict):
                known.update(dict.fromkeys(value))
                if fields is not None:
                    if list(value) == list(value.values()):
                        continue  # the header row
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


def _values(content: str, ending: str, place: str, fields: list[str]) -> Iterator[tuple[int, object]]:
    if ending in (".jsonl", ".ndjson"):
        yield from _json_lines(content, place)
    elif ending == ".json":
        yield from _json(content, place)
    elif ending in (".csv", ".tsv"):
        yield from _table(content, ending, place, fields)
    else:
        yield from enumerate(content.split("\n"), start=1)


def _json_lines(content: str, place: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield number, _parsed(line, f"{place}:{number}")


def _json(content: str, place: str) -> Iterator[tuple[int, object]]:
    """Parse one value, or JSON Lines in a file named .json."""
    first, _, rest = content.strip().partition("\n")
    if rest and first.startswith("{") and first.rstrip().endswith("}"):
        yield from _json_lines(content, place)
    else:
        yield from enumerate(_listed(_parsed(content, place)), start=1)


def _listed(value: object) -> Iterator[object]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        others = {}
        for name, member in value.items():
            if isinstance(member, list | dict):
                yield from _listed(member)
            else:
                others[name] = member
        if others:
            yield others
    else:
        yield value


def _parsed(text: str, place: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"filter.paths {place} is not JSON: {error}; repair or omit it") from None


def _table(content: str, ending: str, place: str, fields: list[str]) -> Iterator[tuple[int, object]]:
    """Yield rows as dictionaries by the first row, which is yielded too, since the table may have no header."""
    quoting = csv.QUOTE_MINIMAL if ending == ".csv" else csv.QUOTE_NONE
    csv.field_size_limit(LARGEST_FIELD)  # a process-wide setting, made wherever tables are read
    usual = "," if ending == ".csv" else "\t"
    head = content[:SAMPLE].encode().splitlines(keepends=True)
    head = head[:-1] if len(content) > SAMPLE else head
    delimiter = find_delimiter(head, usual=usual, quoted=ending == ".csv", columns=None, fields=fields)
    rows = csv.reader(StringIO(content, newline=""), delimiter=delimiter, quoting=quoting)  # MMLU has unbalanced quotes
    names: list[str] = []
    line = 1
    try:
        for row in rows:
            names = names or row
            extra = [f"column {number}" for number in range(len(names) + 1, len(row) + 1)]
            yield line, dict(zip([*names, *extra], row, strict=False)) if len({*names}) == len(names) else row
            line = rows.line_num + 1
    except csv.Error as error:
        raise ValueError(f"filter.paths {place}:{line} is not a table: {error}; repair or omit it") from None


def _texts(value: object) -> Iterator[str]:
    """Yield every string in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)

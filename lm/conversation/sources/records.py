"""Records of JSON, CSV, TSV and Parquet files or of a hub data set, with their places.

A file is a table if its name says so. Any other is JSON: lines, one list, or objects one after another.
"""

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, nullcontext
from difflib import get_close_matches
from io import BufferedIOBase, StringIO
from itertools import islice
from pathlib import Path

from lm.bounds import Count
from lm.conversation.conversation import UnreadableRecordError
from lm.corpus.tally import Tally
from lm.files import hash_file
from lm.sources.byte_streams import peeked
from lm.sources.encoding import Encoding
from lm.sources.file_formats import MetadataError
from lm.sources.file_patterns import find_files
from lm.sources.file_source import EMPTY, MACOS
from lm.sources.hugging_face import HubRows
from lm.sources.json_values import Fault, json_values
from lm.sources.loose_quotes import loose_rows
from lm.sources.members import open_members
from lm.sources.rows import csv_rows, parquet_of, parquet_rows
from lm.sources.table import DELIMITERS, format_of

KEY = "data.conversations"  # config key of conversations; other records name their own


class Records(ABC):
    """Records in a fixed order, read again at each iteration.

    `notes` lists how the last reading took the files: their encoding and delimiter where these are unusual.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[str, dict]]:
        """Yield (place, record)."""

    @abstractmethod
    def identity(self) -> list:
        """Return what determines the records, as plain data to hash."""


class FileRecords(Records):
    """The records of files, one file after another.

    Args:
        path: File, pattern, or a list of them.
        columns: Names of the columns of CSV and TSV files without a header; None reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV.
        delimiter: Character between cells of CSV and TSV; None finds it.
        encoding: Encoding of the files, as windows-1252, or detect.
        records_field: Field of a JSON file's one object that holds the list of records; None reads other files.
        loose_quotes: Whether a table that is not proper CSV is read line by line, quotes inside cells as they stand.
        key: Config key that holds these options, for messages.
        path_key: Config key of the path, for messages; None: `path` below `key`.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        loose_quotes: bool = False,
        key: str = KEY,
        path_key: str | None = None,
    ):
        self.found, self.key, self.loose_quotes = Tally(), key, loose_quotes
        self.files = find_files(path, key=path_key or f"{key}.path", tally=self.found)
        self.columns, self.quoted = columns and list(columns), quoted
        self.delimiter = delimiter and delimiter.replace("\\t", "\t")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(f"{key}.delimiter {delimiter!r} is not one character: try ';', or null to find it")
        self.encoding, self.records_field = Encoding(encoding, key=f"{key}.encoding"), records_field

    def __iter__(self) -> Iterator[tuple[str, dict]]:
        tally = Tally()
        tally.merge(self.found)
        for file in self.files:
            yield from read_records(
                file,
                columns=self.columns,
                quoted=self.quoted,
                delimiter=self.delimiter,
                encoding=self.encoding,
                records_field=self.records_field,
                loose_quotes=self.loose_quotes,
                tally=tally,
                key=self.key,
            )
        self.notes = tally.notes()

    def identity(self) -> list:
        given = [] if self.delimiter is None else [{"delimiter": self.delimiter}]
        given += self.encoding.identity()
        given += [] if self.records_field is None else [{"records_field": self.records_field}]
        given += [{"loose_quotes": True}] if self.loose_quotes else []
        return [[self.columns, self.quoted, *given], [[file.name, hash_file(file)] for file in self.files]]


class HubRecords(Records):
    """The first `limit` rows of a hub data set; no more are fetched."""

    def __init__(self, rows: HubRows, *, limit: int | None):
        self.rows, self.limit = rows, limit

    def __iter__(self) -> Iterator[tuple[str, dict]]:
        for number, row in enumerate(islice(self.rows, self.limit), start=1):
            yield f"{self.rows.path}:{number}", row

    def identity(self) -> list:
        return [[self.rows.name, self.rows.folder, self.rows.split, self.limit], self.rows.identity()]


class HubDataset:
    """Which part of a Hugging Face data set to read: the path is a hub id, or a directory laid out like one.

    Args:
        name: Subset (configuration) of the data set, as "all"; null for the default one.
        folder: Directory inside the data set to read; null for all of it.
        split: Split to read, as "train".
        revision: Commit of 40 hexadecimal digits. Required for a hub id, so that a name always means the same data.
        limit: Maximum number of rows, from the first on; null reads all.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        folder: str | None = None,
        split: str = "train",
        revision: str | None = None,
        limit: Count | None = None,
    ):
        self.part = {"name": name, "folder": folder, "split": split, "revision": revision}
        self.limit = limit

    def records(self, path: str | list[str], *, key: str = KEY) -> Records:
        """Return the rows of the data set at `path`; `key` is the config key that holds both, for messages."""
        if not isinstance(path, str):
            raise ValueError(
                f"data.conversations.path: with data.conversations.hub it is one data set, not {len(path)}: give each "
                "a name of its own, as +data/conversations@data.conversations.NAME=OPTION"
            )
        rows = HubRows(path, **self.part, path_key=f"{key}.path", key=f"{key}.hub")
        return HubRecords(rows, limit=self.limit)


def read_records(
    file: Path,
    *,
    columns: list[str] | None = None,
    quoted: bool = True,
    delimiter: str | None = None,
    encoding: Encoding | None = None,
    records_field: str | None = None,
    loose_quotes: bool = False,
    tally: Tally | None = None,
    key: str = KEY,
) -> Iterator[tuple[str, dict]]:
    """Yield (place, record) of each record of a file.

    Args:
        file: A .parquet, .csv or .tsv table; otherwise JSON Lines, a JSON list or objects in sequence.
        columns: Names of the columns of CSV and TSV without a header.
        quoted: Whether quotes enclose cells of CSV and TSV.
        delimiter: Character between cells of CSV and TSV; None finds it.
        encoding: Encoding of the file; UTF-8 if omitted.
        records_field: Field of the file's one JSON object that holds the list of records.
        loose_quotes: Whether a table that is not proper CSV is read line by line, quotes inside cells as they stand.
        tally: Counts files in an unusual encoding or with an unusual delimiter.
        key: Config key that holds these options, for messages.

    Raises:
        ValueError: A record is not JSON or not an object; with its place.
    """
    encoding, tally = encoding or Encoding("utf-8", key=f"{key}.encoding"), tally or Tally()
    for name, packed in open_members(file, tally=tally):
        member, form = str(file.parent / name), format_of(name)
        table, packed = parquet_of(file, f"x{form}", packed)
        if table is not None:
            with nullcontext() if table is file else closing(table):
                rows = parquet_rows(table, place=member, choose=lambda fields: fields)
                yield from ((f"{member}:{number}", record) for number, record in enumerate(rows, start=1))
            continue
        try:
            stream = encoding.utf8(packed, name=member, tally=tally)
        except MetadataError as fault:
            tally.count(MACOS, where=str(fault))
            continue
        head, stream = peeked(stream, 1)
        if not head:
            tally.count(EMPTY, where=member)
            continue
        if form not in DELIMITERS:
            yield from _json_records(stream, member, records_field, key)
            continue
        lines: Iterable[bytes] = stream
        if loose_quotes:
            content = stream.read()
            lines = content.splitlines(keepends=True)
            if quoted and not _is_strict(content.decode("utf-8-sig"), delimiter or DELIMITERS[form]):
                cut = delimiter or DELIMITERS[form]
                text = content.decode("utf-8-sig")
                rows = loose_rows(text, where=member, delimiter=cut, columns=columns, tally=tally)
                yield from _table_records(rows, member, key)
                continue
        rows = csv_rows(
            lines,
            where=member,
            delimiter=delimiter,
            usual=DELIMITERS[form],
            quoted=quoted,
            columns=columns,
            key=key,
            tally=tally,
        )
        yield from _table_records(rows, member, key)


def _table_records(rows: Iterator[list[str] | str], member: str, key: str) -> Iterator[tuple[str, dict]]:
    """The records of a table, whose first row is the header."""
    header = next(rows, [])
    for number, cells in enumerate(rows, start=1):
        if isinstance(cells, str):
            raise ValueError(f"{cells}: {key}.delimiter names another, as ';'")
        yield f"{member} row {number}", dict(zip(header, cells, strict=True))


def _is_strict(text: str, delimiter: str) -> bool:
    """Whether a table is proper CSV."""
    try:
        for _ in csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True):
            pass
    except csv.Error:
        return False
    return True


def _json_records(
    stream: BufferedIOBase, member: str, records_field: str | None, key: str
) -> Iterator[tuple[str, dict]]:
    """The records of a file of JSON in any arrangement."""
    for _, place, record in json_values(stream, member, records_field=records_field, key=key):
        if isinstance(record, Fault):
            raise ValueError(record.reason)
        if not isinstance(record, dict):
            raise ValueError(f"{place} is {kind_of(record)}, not an object with fields")
        yield place, record


def field_of(record: Mapping, field: str, place: str) -> object:
    """Return the value of a field; `meta.text` is the field text of the field meta.

    Raises:
        UnreadableRecordError: There is no such field; with the similar ones, or all.
    """
    if field in record:
        return record[field]
    outer, dot, inner = field.partition(".")
    if dot and isinstance(record.get(outer), dict):
        return field_of(record[outer], inner, f"{place}, {outer}")
    near = get_close_matches(field, record, n=1)
    names = [_shortened(name) for name in record]
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}."
    raise UnreadableRecordError(
        f"{place} has no field {field!r}: {hint} Name the fields of your file in data.conversations, as "
        "messages_field, question_field or answer_field"
    )


def optional_field(record: Mapping, field: str | None) -> object:
    """Return the value of a field as `field_of` does; None for a field that is missing or not set."""
    if field is None:
        return None
    outer, dot, inner = field.partition(".")
    if field not in record and dot and isinstance(record.get(outer), dict):
        return optional_field(record[outer], inner)
    return record.get(field)


def _shortened(name: str) -> str:
    """A field's name; cells stand for names where a table has no header."""
    return repr(name if len(name) <= 60 else f"{name[:50]}…")


def kind_of(value: object) -> str:
    """Return the type of a value with its article: "a list"; "None"."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"

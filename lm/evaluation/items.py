"""Items of a benchmark, read from local files or a hub data set, with their places."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lm.conversation.sources.records import FileRecords, HubDataset, Records
from lm.files import hash_json
from lm.sources.hugging_face import HUB_ID

TABLES = (".jsonl", ".json", ".csv", ".tsv", ".tab", ".parquet", ".ndjson")
PACKED = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class Item:
    """A record of a benchmark.

    Args:
        fields: Its fields by name.
        place: File and line or row, for messages.
        file: Name of its file without extensions, which names the subject in some benchmarks.
    """

    fields: dict[str, Any]
    place: str
    file: str = field(default="", compare=False)

    @property
    def names(self) -> dict[str, Any]:
        """What a template may name: `file`, and the fields, which come first."""
        return {"file": self.file, **self.fields}

    @cached_property
    def id(self) -> str:
        """A hash of the fields: the same item has it in every run, wherever its file lies."""
        return hash_json(json.loads(json.dumps(self.fields, default=str)))[:16]


class ItemReader:
    """How the items of a benchmark are read: JSON in any arrangement, CSV, TSV or Parquet, which may be packed.

    Args:
        columns: Names of the columns of CSV and TSV without a header, as in MMLU's own files; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV.
        delimiter: Character between cells of CSV and TSV, as ';'; null finds it.
        encoding: Encoding of the files, as windows-1252; UTF-16 is found without it.
        records_field: Field of a JSON file's one object that holds the list of records, as data; null reads others.
        loose_quotes: Whether CSV and TSV with quotes inside quoted cells that are not doubled, as published MMLU files
            have them, are read as they stand, line by line; false refuses them.
        nested: Fields that hold lists of records one within another, as [data, paragraphs, qas] of SQuAD's own files;
            each innermost record has the fields of those around it too. A field that a record lacks is passed over.
        hub: Which part of a hub data set to read, if the path is the id of one; null for files.
    """

    def __init__(
        self,
        *,
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        loose_quotes: bool = True,
        nested: Sequence[str] = (),
        hub: HubDataset | None = None,
    ):
        self.options = {
            "columns": columns,
            "quoted": quoted,
            "delimiter": delimiter,
            "encoding": encoding,
            "records_field": records_field,
            "loose_quotes": loose_quotes,
        }
        self.nested, self.hub = tuple(nested), hub

    notes: tuple[str, ...] = ()  # what the last reading left out

    def records(self, path: str | Sequence[str], *, key: str) -> Records:
        """Return the records at a path: a file, a pattern, a folder with files of records, a list of these, a hub id.

        Args:
            path: Where they are.
            key: Config key of the path, for messages.

        Raises:
            ValueError: There is nothing at the path.
        """
        paths, reader = [path] if isinstance(path, str) else [*path], f"{key.rpartition('.')[0]}.reader"
        name = paths[0] if len(paths) == 1 else ""
        if HUB_ID.fullmatch(name) and self.hub is not None and not Path(name).exists():
            if self.hub.part["revision"] is None:
                raise ValueError(
                    f"{key}: there is no {name} in {Path.cwd()}; if it is a data set of the Hugging Face hub, set "
                    f"{reader}.hub.revision to a commit of 40 digits"
                )
            return self.hub.records(name, key=reader)
        files = [file for each in paths for file in _files(each, key)]
        return FileRecords(files, **self.options, key=reader, path_key=key)

    def read(self, path: str | Sequence[str], *, key: str) -> Iterator[Item]:
        """Yield the items at a path."""
        for place, record in self.records(path, key=key):
            for inner, where in _unfolded(dict(record), self.nested, place):
                yield Item(inner, where, _stem(place))


def _unfolded(record: dict[str, Any], nested: Sequence[str], place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the innermost records within a record, with the fields around them, and their places."""
    for depth, name in enumerate(nested):
        members = record.get(name)
        if isinstance(members, list) and all(isinstance(each, dict) for each in members):
            around = {field: value for field, value in record.items() if field != name}
            for number, member in enumerate(members, start=1):
                yield from _unfolded({**around, **member}, nested[depth + 1 :], f"{place}, {name} {number}")
            return
    yield record, place


def _files(path: str, key: str) -> list[str]:
    """A folder stands for the files of records in it and below; anything else for itself."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return [path]
    found = sorted(str(file) for file in folder.rglob("*") if _is_table(file.name) and file.is_file())
    if not found:
        raise ValueError(f"{key}: {path} has no file with the extension {', '.join(TABLES)}: name the files")
    return found


def _is_table(name: str) -> bool:
    name = name.lower()
    return not name.startswith(".") and Path(_bare(name)).suffix in TABLES


def _bare(name: str) -> str:
    return Path(name).stem if name.lower().endswith(PACKED) else name


def _stem(place: str) -> str:
    """The name of a file, from a place such as `data/astronomy_test.csv row 3` or `a.jsonl.gz:12`."""
    name = Path(place).name
    for mark in (" row ", ", record "):
        name = name.partition(mark)[0]
    return Path(_bare(name.rpartition(":")[0] or name)).stem

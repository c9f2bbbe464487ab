"""Where records come from: files, or a data set of the Hugging Face hub."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice

from lm.bounds import Count
from lm.conversation.sources.records import read_records
from lm.files import hash_file
from lm.sources.hub_rows import HubRows
from lm.sources.members import find_files


class RecordSource(ABC):
    """Records in an order that never changes, read anew at each iteration."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[str, dict]]:
        """(place, record) of each."""

    @abstractmethod
    def identity(self) -> list:
        """What says which records these are, as plain data."""


class FileRecords(RecordSource):
    """Those of files; `columns` names the fields of CSV and TSV without a header, `quoted` is about their quotes."""

    def __init__(self, path: str | list[str], *, columns: list[str] | None = None, quoted: bool = True):
        self.files = find_files(path, key="data.conversations.path")
        self.columns, self.quoted = columns and list(columns), quoted

    def __iter__(self) -> Iterator[tuple[str, dict]]:
        for file in self.files:
            yield from read_records(file, columns=self.columns, quoted=self.quoted)

    def identity(self) -> list:
        return [[self.columns, self.quoted], [[file.name, hash_file(file)] for file in self.files]]


class HubRecords(RecordSource):
    """The first `limit` rows of a data set, of which no more is then fetched."""

    def __init__(self, rows: HubRows, *, limit: int | None):
        self.rows, self.limit = rows, limit

    def __iter__(self) -> Iterator[tuple[str, dict]]:
        for number, row in enumerate(islice(self.rows, self.limit), start=1):
            yield f"{self.rows.path}:{number}", row

    def identity(self) -> list:
        return [[self.rows.name, self.rows.folder, self.rows.split, self.limit], self.rows.identity()]


class Hub:
    """Says that a path is an id of the hub, or a folder laid out like one, and which part of it is wanted.

    `limit` are the most rows to read, from the first on; the others are as `HubRows` has them.
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

    def records(self, path: str | list[str]) -> RecordSource:
        """The rows of one data set."""
        if not isinstance(path, str):
            raise ValueError(
                f"data.conversations.path: with data.conversations.hub it is one data set, not {len(path)}: give each "
                "a name of its own, as +data/conversations@data.conversations.NAME=OPTION"
            )
        rows = HubRows(path, **self.part, path_key="data.conversations.path", key="data.conversations.hub")
        return HubRecords(rows, limit=self.limit)

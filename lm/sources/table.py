"""Documents from the rows of tables: CSV, TSV and Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lm.bounds import Natural
from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.csv_rows import csv_rows
from lm.sources.fields import Fields, field_of
from lm.sources.file_source import FileSource
from lm.sources.members import open_members
from lm.sources.parquet_rows import parquet_rows

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PACKED = (".gz", ".zst")
ARCHIVES = (".tar", ".tgz", ".zip", ".bz2", ".xz")


@dataclass(frozen=True)
class Row:
    """The values that were asked for, by field, and where they stand."""

    values: dict[str, object]
    place: str


class TableSource(FileSource):
    """One document a row: its text is the field `text_field`, or several with `separator` between them.

    `path` is a file or a pattern, or several; CSV and TSV may lie in .gz, .zst, .tar and .zip. `columns` names the
    fields of CSV and TSV without a header. Rows are counted from 1 below the header. A field without text (in
    Parquet: null) is left out of the document, and a document without any is left out and counted in the notes.
    Rows of CSV and TSV with more or fewer fields than the header are left out, and told in the notes, up to
    `bad_lines` in all; the next ends the reading, as does anything else that cannot be read, for no row after it can
    be trusted.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        text_field: str | list[str] = "text",
        separator: str = "\n\n",
        id_field: str | None = None,
        kind_field: str | None = None,
        language_field: str | None = None,
        metadata_fields: list[str] | None = None,
        kind: str = "prose",
        columns: list[str] | None = None,
        delimiter: str | None = None,
        quoted: bool = True,
        bad_lines: Natural = 10,
    ):
        super().__init__(path)
        self.text_fields = [text_field] if isinstance(text_field, str) else list(text_field)
        if not self.text_fields:
            raise ValueError("corpus.text_field is empty: name the field that holds the text, or a list of them")
        self.separator = separator.replace("\\n", "\n").replace("\\t", "\t")
        self.fields = Fields(id_field, kind_field, language_field, tuple(metadata_fields or ()))
        self.kind, self.bad_lines = kind, bad_lines
        self.columns = None if columns is None else list(columns)
        self.delimiter = delimiter and delimiter.replace("\\t", "\t")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(f"corpus.delimiter {delimiter!r} is not one character: try ';', or null for the usual one")
        self.quoted = quoted
        for file in self.files:
            if form_of(file.name) is None and not file.name.lower().endswith(ARCHIVES):
                raise ValueError(f"corpus.path {file} is no .csv, .tsv (or either with .gz or .zst) or .parquet file")
            if form_of(file.name) == ".parquet":
                import pyarrow  # noqa: F401  # said now rather than after the first gigabyte

    def fingerprint(self) -> str:
        options = [self.text_fields, self.separator, self.fields.id, self.fields.kind, self.kind]
        options += [self.columns, self.delimiter, self.quoted, *self.fields.identity()]
        return hash_json(["table", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for row in self._rows(file, tally):
            text = self.separator.join(filter(None, (self._text(row, field, file) for field in self.text_fields)))
            if not text.strip():
                tally.count("documents without any text were left out")
                continue
            yield self.fields.document(
                row.values, text, name=row.place, kind=self.kind, source=str(file), where=row.place
            )

    def _rows(self, file: Path, tally: Tally) -> Iterator[Row]:
        """The rows of a file, whatever its form, with the wanted fields only."""
        if form_of(file.name) == ".parquet":
            for number, values in enumerate(parquet_rows(file, choose=lambda found: self._chosen(found, file)), 1):
                yield Row(values, f"{file.name}:{number}")
            return
        for name, stream in open_members(file):
            form = form_of(name)
            if form not in DELIMITERS:
                tally.count("files in archives were no .csv or .tsv and were left out")
                continue
            where = file.parent / name
            rows = csv_rows(
                stream,
                where=str(where),
                delimiter=self.delimiter or DELIMITERS[form],
                quoted=self.quoted,
                columns=self.columns,
            )
            header = next(rows, None)
            if header is None:
                continue
            places = {field: header.index(field) for field in self._chosen(header, where)}
            before, good = tally.bad, False
            for number, cells in enumerate(rows, 1):
                if isinstance(cells, str):
                    self.skip(cells, tally)
                    continue
                good = True
                yield Row({field: cells[place] for field, place in places.items()}, f"{name}:{number}")
            if tally.bad > before and not good:
                raise ValueError(f"{tally.last_bad}: no row of {where} can be read: is its header right?")

    def _chosen(self, found: list[str], where: Path) -> list[str]:
        """The fields that are read, each of which has to be there once."""
        wanted = self.fields.keys() | dict.fromkeys(self.text_fields, "corpus.text_field")
        for field, key in wanted.items():
            field_of(dict.fromkeys(found), field, key, str(where))
            if found.count(field) > 1:
                raise ValueError(f"{where} has {found.count(field)} fields {field!r} ({key}): rename all but one")
        return list(wanted)

    def _text(self, row: Row, field: str, file: Path) -> str:
        value = row.values[field]
        if value is None:
            return ""
        if isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                raise ValueError(f"{file.parent / row.place}: field {field!r} is no UTF-8: {error}") from None
        if not isinstance(value, str):
            raise ValueError(f"{file.parent / row.place}: field {field!r} is {type(value).__name__}, not text")
        return value


def form_of(name: str) -> str | None:
    """.csv, .tsv, .tab or .parquet; None for what is none of them."""
    name = name.lower()
    plain = Path(name).stem if name.endswith(PACKED) else name
    form = Path(plain).suffix
    return form if form in DELIMITERS or (form == ".parquet" and plain == name) else None

"""Documents from the rows of tables: CSV, TSV and Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lm.corpus.csv_rows import csv_rows
from lm.corpus.document import Document
from lm.corpus.file_source import FileSource
from lm.corpus.members import open_members
from lm.corpus.parquet_rows import parquet_rows
from lm.corpus.tally import Tally
from lm.files import hash_json

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
    A row that is none ends the reading with its file and number: a corpus that silently lacks rows is worse than
    none.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        text_field: str | list[str] = "text",
        separator: str = "\n\n",
        id_field: str | None = None,
        kind_field: str | None = None,
        kind: str = "prose",
        columns: list[str] | None = None,
        delimiter: str | None = None,
        quoted: bool = True,
    ):
        super().__init__(path)
        self.text_fields = [text_field] if isinstance(text_field, str) else list(text_field)
        if not self.text_fields:
            raise ValueError("corpus.text_field is empty: name the field that holds the text, or a list of them")
        self.separator = separator.replace("\\n", "\n").replace("\\t", "\t")
        self.id_field, self.kind_field, self.kind = id_field, kind_field, kind
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
        options = [self.text_fields, self.separator, self.id_field, self.kind_field, self.kind]
        options += [self.columns, self.delimiter, self.quoted]
        return hash_json(["table", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for row in self._rows(file, tally):
            text = self.separator.join(filter(None, (self._text(row, field, file) for field in self.text_fields)))
            if not text.strip():
                tally.count("documents without any text were left out")
                continue
            name = row.place if self.id_field is None else str(row.values[self.id_field])
            kind = self.kind if self.kind_field is None else str(row.values[self.kind_field])
            yield Document(text, name, kind, source=str(file))

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
            for number, cells in enumerate(rows, 1):
                yield Row({field: cells[place] for field, place in places.items()}, f"{name}:{number}")

    def _chosen(self, found: list[str], where: Path) -> list[str]:
        """The fields that are read, each of which has to be there once."""
        wanted = dict.fromkeys(self.text_fields, "corpus.text_field")
        wanted |= {self.id_field: "corpus.id_field"} if self.id_field is not None else {}
        wanted |= {self.kind_field: "corpus.kind_field"} if self.kind_field is not None else {}
        for field, key in wanted.items():
            if field not in found:
                near = get_close_matches(field, found, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, found)) or 'none'}"
                raise ValueError(f"{where} has no field {field!r} ({key}): {hint}")
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

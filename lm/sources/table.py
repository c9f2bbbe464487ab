"""Documents from the rows of tables: CSV, TSV and Parquet."""

from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lm.bounds import Natural
from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.fields import Fields, field_of, is_missing, root_of
from lm.sources.file_source import EMPTY, WITHOUT_TEXT, FileSource
from lm.sources.members import PACKED, open_members
from lm.sources.rows import csv_rows, parquet_of, parquet_rows

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
ARCHIVES = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".zip")


OTHER = "archive members without the extension .csv, .tsv or .parquet were skipped"


@dataclass(frozen=True)
class Row:
    """The selected values of a row by field, and its place: file and row number."""

    values: dict[str, object]
    place: str


class TableSource(FileSource):
    """Tables in CSV, TSV or Parquet: one document per row.

    Rows are numbered from 1 below the header. Empty fields (in Parquet: null) are omitted from the document; documents
    without text are skipped and counted in the notes. CSV and TSV rows with more or fewer fields than the header are
    skipped and noted, up to `bad_lines` in all files together; one more is an error, as is anything else that cannot
    be read, because no later row can be trusted.

    Args:
        path: A file or glob pattern, or a list of them; .gz, .bz2, .xz, .zst, .tar and .zip are unpacked.
        text_field: Field with the document's text, or a list of fields to join, such as [title,body].
        separator: Characters between several text fields.
        id_field: Field with the document's id; null: file and row number.
        kind_field: Field with its kind, such as code; null: all documents are of `kind`.
        language_field: Field with its language code, such as en; null: unknown.
        metadata_fields: Fields to keep with the document for filters and reports, such as [url,score]; null: none.
        kind: Kind of the documents without `kind_field`; bits per byte are reported per kind.
        columns: Names of the fields of CSV and TSV files without a header; null: the first row is the header.
        delimiter: Character between fields; null: a comma in .csv and a tab in .tsv and .tab, unless a line `sep=;`
            names another or only another one of , ; | and tab fits the fields.
        encoding: A codec of Python for CSV and TSV, such as windows-1252, or `detect` to guess each file's own.
        quoted: Whether CSV and TSV fields may be quoted; false: a quote is a character like any other.
        bad_lines: Maximum number of CSV and TSV rows of the wrong length to skip. A wrong delimiter soon gives more
            than 10.
        bad_files: Maximum number of files and archive members to skip because they are not text, such as images.
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
        encoding: str = "utf-8",
        quoted: bool = True,
        bad_lines: Natural = 10,
        bad_files: Natural = 10,
    ):
        super().__init__(path, encoding=encoding, bad_files=bad_files)
        self.text_fields = [text_field] if isinstance(text_field, str) else list(text_field)
        if not self.text_fields:
            raise ValueError("corpus.text_field is empty: name the field that holds the text, or a list of them")
        self.separator = separator.replace("\\n", "\n").replace("\\t", "\t")
        self.fields = Fields(id_field, kind_field, language_field, tuple(metadata_fields or ()))
        self.kind, self.bad_lines = kind, bad_lines
        self.columns = None if columns is None else list(columns)
        self.delimiter = delimiter and delimiter.replace("\\t", "\t")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(
                f"corpus.delimiter {delimiter!r} is not one character: try ';', or null for , or tab by file type"
            )
        self.quoted = quoted
        for file in self.files:
            if format_of(file.name) is None and not is_archive(file.name):
                raise ValueError(
                    f"corpus.path {file} is not a .csv, .tsv or .parquet file (which may be packed, as .csv.gz)"
                )
            if format_of(file.name) == ".parquet":
                import pyarrow  # noqa: F401  # fail now rather than after the first gigabyte

    def fingerprint(self) -> str:
        options = [self.text_fields, self.separator, self.fields.id, self.fields.kind, self.kind]
        options += [self.columns, self.delimiter, self.quoted, *self.fields.identity(), *self.encoding.identity()]
        return hash_json(["table", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for row in self._rows(file, tally):
            text = self.separator.join(filter(None, (self._text(row, field, file) for field in self.text_fields)))
            if not text.strip():
                tally.count(WITHOUT_TEXT)
                continue
            yield self.fields.document(
                row.values, text, name=row.place, kind=self.kind, source=str(file), where=row.place
            )

    def _rows(self, file: Path, tally: Tally) -> Iterator[Row]:
        """Yield the rows of a file of any format, with the selected fields only."""
        for name, packed in open_members(file, tally=tally):
            suffix, where = format_of(name), file.parent / name
            table, packed = parquet_of(file, f"x{suffix}", packed)
            if table is not None:
                with nullcontext() if table is file else closing(table):
                    choose = partial(self._selected, where=where)
                    for number, values in enumerate(parquet_rows(table, place=str(where), choose=choose), 1):
                        yield Row(values, f"{name}:{number}")
                continue
            if suffix not in (*DELIMITERS, ".parquet"):
                tally.count(OTHER, where=str(where))
                continue
            stream = self.text(packed, where, tally)
            if stream is None:
                continue
            rows = csv_rows(
                stream,
                where=str(where),
                delimiter=self.delimiter,
                usual=DELIMITERS[suffix],
                quoted=self.quoted,
                columns=self.columns,
                fields=self._keys(),
                tally=tally,
            )
            header = next(rows, None)
            if header is None:
                tally.count(EMPTY, where=str(where))
                continue
            places = {field: header.index(field) for field in self._selected(header, where)}
            before, good = tally.bad, False
            for number, cells in enumerate(rows, 1):
                if isinstance(cells, str):
                    self.skip(cells, tally)
                    continue
                good = True
                yield Row({field: cells[place] for field, place in places.items()}, f"{name}:{number}")
            if tally.bad > before and not good:
                raise ValueError(f"{tally.last_bad}: no row of {where} can be read: check its header")

    def _selected(self, names: list[str], where: Path) -> list[str]:
        """The fields to read; each must occur exactly once among `names`, itself or what it is nested in."""
        fields = self._keys()
        roots = {}
        for field, key in fields.items():
            root = root_of(names, field)
            field_of(dict.fromkeys(names), root, key, str(where))
            if names.count(root) > 1:
                raise ValueError(f"{where} has {names.count(root)} fields {root!r} ({key}): rename all but one")
            roots[root] = None
        return list(roots)

    def _keys(self) -> dict[str, str]:
        return self.fields.keys() | dict.fromkeys(self.text_fields, "corpus.text_field")

    def _text(self, row: Row, field: str, file: Path) -> str:
        value = field_of(row.values, field, "corpus.text_field", str(file.parent / row.place))
        if is_missing(value):
            return ""
        if isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                raise ValueError(f"{file.parent / row.place}: field {field!r} is not valid UTF-8: {error}") from None
        if not isinstance(value, str):
            raise ValueError(f"{file.parent / row.place}: field {field!r} is {type(value).__name__}, not text")
        return value


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive, which may be packed."""
    return _unpacked(name.lower()).endswith(ARCHIVES)


def format_of(name: str) -> str | None:
    """.csv, .tsv, .tab or .parquet; None for other files."""
    suffix = Path(_unpacked(name.lower())).suffix
    return suffix if suffix in (*DELIMITERS, ".parquet") else None


def _unpacked(name: str) -> str:
    """A name without the ending of a packing, as a.csv for a.csv.gz."""
    return Path(name).stem if name.lower().endswith(PACKED) else name

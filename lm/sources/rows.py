"""Rows of CSV, TSV and Parquet files, in little memory; malformed rows are reported.

CSV: without a `delimiter` the one that fits is found, see `delimiter.py`. The csv module takes an unclosed quote as
the start of a field that reaches to the end of the file, and passes on a row with one cell too many. Here the first is
an error, because no later row can be trusted; the second is reported with its place.

Parquet: pyarrow reads small batches out of the row groups, only the columns that are needed, through a buffer. In
memory are one batch and one page per column, not a row group, which may be as large as the file.
"""

import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import IO

from lm.corpus.tally import Tally
from lm.files import DamagedFileError, report_damage
from lm.sources.byte_streams import Readable, peeked, seekable_copy
from lm.sources.delimiter import find_delimiter, read_head
from lm.sources.file_formats import HEAD, MACOS_METADATA, is_binary

LARGEST_FIELD = 2**31 - 1  # characters; the csv module's own limit of 128 KiB is shorter than a long text
BATCH = 256  # rows of a Parquet file; about a hundred megabytes for long documents
BUFFER = 1 << 20  # bytes
PARQUET, ENDING = b"PAR1", ".parquet"


def csv_rows(
    lines: Iterable[bytes],
    *,
    where: str,
    delimiter: str | None,
    quoted: bool,
    columns: list[str] | None,
    usual: str = ",",
    fields: Collection[str] = (),
    key: str = "corpus",
    tally: Tally | None = None,
) -> Iterator[list[str] | str]:
    """Yield the header, then each row, or a string that says why a row is malformed.

    Args:
        lines: The file's lines in UTF-8, with or without byte order mark; blank ones are skipped. A first line such
            as `sep=;`, which Excel reads, names the delimiter.
        where: Name of the file, for messages.
        delimiter: The character between fields; None: the one that fits.
        quoted: Whether fields may be quoted; if not, a quote is a character like any other.
        columns: The header of a file without one; None: the first row is the header.
        usual: The delimiter that the file's name suggests.
        fields: Fields that the header must have, which tell the delimiter; may be empty.
        key: Config key that holds the options, for messages.
        tally: Counts files with another delimiter than the usual one.
    """
    csv.field_size_limit(LARGEST_FIELD)
    position = Position(where)
    lines = iter(lines)
    head, named = read_head(lines)
    position.line = int(named is not None)
    if delimiter is None:
        delimiter = named or find_delimiter(head, usual=usual, quoted=quoted, columns=columns, fields=fields)
        if delimiter != usual and tally is not None:
            tally.count(f"files were read with {delimiter!r} between fields")
    reader = csv.reader(
        position.decode(chain(head, lines), key),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    header = columns
    if columns is not None:
        yield columns
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            remedy = f"; if quotes have no meaning in this file, set {key}.quoted=false" if quoted else ""
            remedy = "; convert its CR line ends to LF" if "new-line character" in str(error) else remedy
            raise ValueError(f"{position} cannot be read: {error}{remedy}") from None
        if not cells:
            continue
        if header is None:
            header = cells
        elif len(cells) != len(header):
            yield (
                f"{position} has {len(cells)} fields, and the header {len(header)} "
                f"(close its quotes, or check that the delimiter is {delimiter!r})"
            )
            position.row += 1
            continue
        else:
            position.row += 1
        yield cells


class Position:
    """The row and line that a CSV file has been read to, for messages."""

    def __init__(self, where: str):
        self.where, self.row, self.line = where, 0, 0  # row: the last one below the header

    def __str__(self) -> str:
        return f"{self.where} row {self.row + 1} (line {self.line})"

    def decode(self, lines: Iterable[bytes], key: str) -> Iterator[str]:
        """Decode the lines and count them."""
        for line in lines:
            self.line += 1
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                bad = line[error.start : error.end].hex(" ")
                remedy = f"name its encoding, for example {key}.encoding=windows-1252"
                raise ValueError(f"{self} is not valid UTF-8 (byte {bad}): {remedy}") from None


def is_parquet(head: bytes) -> bool:
    """Whether a file is Parquet by its first bytes. A text may begin with the same letters."""
    return head.startswith(PARQUET) and is_binary(head)


def parquet_rows(
    file: Path | IO[bytes], *, place: str, choose: Callable[[list[str]], list[str]]
) -> Iterator[dict[str, object]]:
    """Yield each row as {field: value}; null becomes None, and text that is not valid UTF-8 becomes bytes.

    Args:
        file: The file, or its bytes with random access.
        place: Its name, for messages.
        choose: Given the names of the file's fields, returns those to read.

    Raises:
        ValueError: The file is damaged, or not Parquet.
    """
    from pyarrow.parquet import ParquetFile

    remedy = "download it again, or remove it from the path"
    with report_damage(place, remedy):
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as bytes_of_file:
            head = bytes_of_file.read(len(PARQUET))
            bytes_of_file.seek(0)
        if head and head != PARQUET:
            raise DamagedFileError(
                f"{place} is not Parquet (it begins with {head!r}): give it the file name extension of its format, "
                "such as .csv or .jsonl"
            )
        table = ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)
    with table:
        fields = choose(table.schema_arrow.names)
        batches = table.iter_batches(BATCH, columns=fields, use_threads=False)
        while True:
            with report_damage(place, remedy):
                batch = next(batches, None)
            if batch is None:
                return
            columns = [_values(batch.column(field)) for field in fields]
            for values in zip(*columns, strict=True):
                yield dict(zip(fields, values, strict=True))


def _values(column) -> list[object]:  # a pyarrow.Array; the package is optional
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_value(value) for value in column]


def _value(value) -> object:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return value.as_buffer().to_pybytes()


def parquet_of(file: Path, name: str, packed: Readable) -> tuple[Path | IO[bytes] | None, Readable]:
    """Return a member that is Parquet by its content or its name with random access, or None; and its bytes otherwise.

    Args:
        file: The file that has it; not packed, it is read where it is.
        name: Name of the member.
        packed: Its bytes.
    """
    head, whole = peeked(packed, HEAD)
    if MACOS_METADATA.match(head) or not (is_parquet(head) or name.lower().endswith(ENDING)):
        return None, whole
    with file.open("rb") as start:
        alone = start.read(len(PARQUET)) == PARQUET
    return (file if alone else seekable_copy(whole)), whole

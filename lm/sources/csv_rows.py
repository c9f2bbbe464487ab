"""Rows of comma- or tab-separated text, none of them silently wrong.

The csv module would take a quote that is never closed for the rest of the file, and a row with a cell too many
for one without. The first is refused here, since no row after it can be trusted; the second is told with its place.
"""

import csv
from collections.abc import Iterable, Iterator

BOM = b"\xef\xbb\xbf"
LARGEST_FIELD = 2**31 - 1  # the module's own limit of 128 KiB is shorter than a long text


def csv_rows(
    lines: Iterable[bytes],
    *,
    where: str,
    delimiter: str,
    quoted: bool,
    columns: list[str] | None,
    key: str = "corpus",
) -> Iterator[list[str] | str]:
    """The header, then each row, as long as the header, or in words why it is not; `columns` is the header where the
    file has none.

    `key` is where the config has the options. Blank lines are no rows. The rows are UTF-8, with or without byte order
    mark.
    """
    csv.field_size_limit(LARGEST_FIELD)
    position = Position(where)
    reader = csv.reader(
        position.decoded(lines),
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
            remedy = f"; if quotes mean nothing in this file, {key}.quoted=false" if quoted else ""
            raise ValueError(f"{position} cannot be read: {error}{remedy}") from None
        if not cells:
            continue
        if header is None:
            header = cells
        elif len(cells) != len(header):
            hint = f"close its quotes, or see whether {delimiter!r} is what stands between its fields"
            yield f"{position} has {len(cells)} fields, and the header {len(header)} ({hint})"
            position.row += 1
            continue
        else:
            position.row += 1
        yield cells


class Position:
    """How far a table has been read, to say where something is wrong."""

    def __init__(self, where: str):
        self.where, self.row, self.line = where, 0, 0  # row: the last one below the header

    def __str__(self) -> str:
        return f"{self.where} row {self.row + 1} (line {self.line})"

    def decoded(self, lines: Iterable[bytes]) -> Iterator[str]:
        for line in lines:
            self.line += 1
            try:
                yield (line.removeprefix(BOM) if self.line == 1 else line).decode()
            except UnicodeDecodeError as error:
                bad = line[error.start : error.end].hex(" ")
                remedy = "convert the file, for example with iconv -f windows-1252 -t utf-8"
                raise ValueError(f"{self} is no UTF-8 (byte {bad}): {remedy}") from None

"""Rows of CSV whose cells have quotes inside quotes that are not doubled, as published MMLU files do.

`"only "yet to be proven wrong".",2` is malformed, and the csv module either refuses it or drops quotes and splits the
cell. Here a quoted cell ends where a quote and a delimiter are followed by another cell, on one line.
"""

import csv
import re
from collections.abc import Iterator, Sequence

from lm.corpus.tally import Tally

LOOSE = "rows have quotes inside quoted cells that are not doubled; they were read as they stand"


def loose_rows(text: str, *, where: str, delimiter: str, columns: Sequence[str] | None, tally: Tally) -> Iterator[list]:
    """Yield the header, then each row.

    Args:
        text: The file.
        where: Its name, for messages.
        delimiter: Character between cells.
        columns: The header of a file without one; None: the first row is the header.
        tally: Counts the rows that are not proper CSV.

    Raises:
        ValueError: A row has another number of cells than the header.
    """
    header = None if columns is None else [*columns]
    if header is not None:
        yield header
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = _strict(line, delimiter)
        if cells is None or (header is not None and len(cells) != len(header)):
            cells = _loose(line, delimiter)
            tally.count(LOOSE, where=f"{where}:{number}")
        if header is None:
            header = cells
        elif len(cells) != len(header):
            raise ValueError(
                f"{where} line {number} has {len(cells)} fields, and the header {len(header)}: double the quotes "
                "inside its cells"
            )
        yield cells


def _strict(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _loose(line: str, delimiter: str) -> list[str]:
    """The cells of a line: a quoted one ends at a quote before a delimiter and the next cell, or at the end."""
    cut = re.escape(delimiter)
    cells, at = [], 0
    while True:
        if line.startswith('"', at):
            end = re.compile(rf'"(?={cut}(?:"|[^\s"{cut}]*(?:{cut}|$))|$)').search(line, at + 1)
            stop = len(line) if end is None else end.start()
            cells.append(line[at + 1 : stop])
            at = stop + 1
        else:
            stop = line.find(delimiter, at)
            stop = len(line) if stop < 0 else stop
            cells.append(line[at:stop])
            at = stop
        if at >= len(line):
            return cells
        at += len(delimiter)

"""Find the delimiter of a CSV file: Excel writes semicolons where the comma is the decimal sign.

The delimiter that the file's name suggests is kept if the header then has the wanted fields, or without these if all
rows have one length. Otherwise the other delimiters are tried by the same tests.
"""

import csv
import re
from collections.abc import Collection, Iterator
from itertools import pairwise

DELIMITERS = ",;\t|"
SAMPLE = 1 << 16  # bytes
DIRECTIVE = re.compile(rb'"?sep=(.)"?\r?\n?')


def read_head(lines: Iterator[bytes]) -> tuple[list[bytes], str | None]:
    """Read the first lines, without byte order mark; return them and the delimiter that a line `sep=;` names."""
    head, size = [], 0
    for line in lines:
        head.append(line)
        size += len(line)
        if size >= SAMPLE:
            break
    if head:
        head[0] = head[0].removeprefix(b"\xef\xbb\xbf")
    directive = DIRECTIVE.fullmatch(head[0]) if head else None
    return (head[1:], directive[1].decode()) if directive else (head, None)


def find_delimiter(
    head: list[bytes], *, usual: str, quoted: bool, columns: list[str] | None, fields: Collection[str]
) -> str:
    """Return the delimiter that fits the first lines best; `usual` if none fits better.

    Args:
        head: The first lines of the file, in UTF-8.
        usual: The delimiter that the file's name suggests.
        quoted: Whether fields may be quoted.
        columns: The header of a file without one; None: the first row is the header.
        fields: Fields that the header must have; may be empty.
    """
    lines = [line.decode(errors="replace") for line in head]
    candidates = [usual, *(delimiter for delimiter in DELIMITERS if delimiter != usual)]
    tables = {delimiter: _rows(lines, delimiter, quoted=quoted, header=columns) for delimiter in candidates}
    if fields and columns is None:
        candidates = [name for name in candidates if {*fields} <= {*tables[name][0][0]}] or candidates

    def fit(delimiter: str) -> tuple[bool, bool, bool, int]:
        (header, *_), even = tables[delimiter]
        wide = len(header) > 1
        return wide and even, wide and delimiter == usual, wide, len(header)

    return max(candidates, key=fit) if columns is None else max(candidates, key=lambda delimiter: tables[delimiter][1])


def _rows(lines: list[str], delimiter: str, *, quoted: bool, header: list[str] | None) -> tuple[list[list[str]], bool]:
    """Return the header and the rows, and whether all have one length. The last row of a sample may be cut."""
    rows, whole = [header] if header is not None else [], True
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        for row in csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True):
            if row:
                rows.append(row)
    except csv.Error as error:
        whole = "unexpected end" in str(error) and sum(map(len, lines)) >= SAMPLE // 2
    even = whole and all(len(one) == len(other) for one, other in pairwise(rows))
    return rows or [[]], even

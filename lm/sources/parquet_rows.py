"""Rows of Parquet files in little memory, by pyarrow.

A file is read in small batches out of its row groups, only the columns that are wanted, through a buffer: what
waits in memory is a batch and a page of each column, not a row group, which may be as large as the file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from lm.files import undamaged

BATCH = 256  # rows: of long documents a hundred megabytes or so
BUFFER = 1 << 20


def parquet_rows(path: Path, *, choose: Callable[[list[str]], list[str]]) -> Iterator[dict[str, object]]:
    """Each row as the fields that `choose` takes of those there are; null is None, text that is no UTF-8 is bytes."""
    from pyarrow.parquet import ParquetFile

    remedy = "fetch it again, or leave it out"
    with undamaged(path, remedy):
        table = ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    with table:
        fields = choose(table.schema_arrow.names)
        batches = table.iter_batches(BATCH, columns=fields, use_threads=False)
        while True:
            with undamaged(path, remedy):
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
    """Bytes for a text that is no UTF-8."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return value.as_buffer().to_pybytes()

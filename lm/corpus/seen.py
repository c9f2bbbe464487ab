"""Keys of the documents that were kept, on disk, so that their number is not bounded by memory."""

import sqlite3
from pathlib import Path

TABLES = """
create table if not exists seen (step integer, place integer, key blob, number integer, primary key (step, place, key))
    without rowid;
create table if not exists names (number integer primary key, id text);
"""


class Seen:
    """Which key was first seen in which document; documents have numbers that grow.

    Reopened after a kill it is cut back to the documents that were accounted for.
    """

    def __init__(self, path: Path, *, known: int):
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = normal")
        self._base.executescript(TABLES)
        self._base.execute("begin")
        self._base.execute("delete from names where number >= ?", [known])  # a key without a name is not seen yet

    def first(self, step: int, keys: list[bytes], number: int, name: str) -> str | None:
        """The id of the document before that has one of the keys at the same place; None, and remembered, if none."""
        if not keys:
            return None
        asked = ", ".join(["(?, ?)"] * len(keys))
        found = self._base.execute(
            f"with asked (place, key) as (values {asked}) select names.id from asked "
            "cross join seen using (place, key) join names using (number) where step = ? order by place limit 1",
            [*(value for pair in enumerate(keys) for value in pair), step],
        ).fetchone()
        if found:
            return found[0]
        rows = [(step, place, key, number) for place, key in enumerate(keys)]
        self._base.executemany("insert or ignore into seen values (?, ?, ?, ?)", rows)
        self._base.execute("insert or ignore into names values (?, ?)", [number, name])
        return None

    def commit(self) -> None:
        """What is kept so far stays, whatever happens."""
        self._base.execute("commit")
        self._base.execute("begin")

    def close(self) -> None:
        self._base.close()

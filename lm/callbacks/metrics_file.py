"""metrics.csv: every logged row once, however often the run is killed, and mended where a power cut damaged it.

Lightning's CSVLogger deletes the earlier file when a run resumes; metrics.csv is appended to and exact across resumes.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lm.files import sync, write_atomically
from lm.progress import Console

Row = dict[str, str]
SYNCED = ".metrics.json"  # up to which step metrics.csv is on disk, and with how many rows
DAMAGED = "metrics.damaged.csv"  # the file as it was found


@dataclass
class Table:
    """What can be read of metrics.csv."""

    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)  # numbers of lines, from 1
    end: str = ""  # what is wrong with the end of the file, if anything is


class MetricsFile(Logger):
    """Write metrics by step to `<save_dir>/metrics.csv`, one row per logged step.

    A resumed run removes the rows that the interrupted one had logged beyond its checkpoint. A new metric adds a
    column, for which the file is rewritten. Lines that cannot be read are left out, rows that are lost are counted, and
    both are reported; the damaged file is kept as metrics.damaged.csv.

    Args:
        save_dir: Directory of the run; `train` passes it.
    """

    def __init__(self, save_dir: str):
        super().__init__()
        self.path = Path(save_dir) / "metrics.csv"
        self._columns: list[str] | None = None
        self._rows = 0

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params, *args) -> None:
        """Do nothing: the run directory holds the config."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._columns is None:
            self.resume(step - 1)
        new = [name for name in metrics if name not in self._columns]
        if new or not self._rows:
            self._columns += new
            self._rewrite(self.read())
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            self._writer(file).writerow({"step": step, **metrics})
        self._rows += 1

    def syncing(self, step: int) -> Callable[[], None]:
        """What has all rows up to a step on disk, to be called before the checkpoint of that step is."""
        rows = self._rows

        @rank_zero_only
        def sync_rows() -> None:
            if rows:
                sync(self.path)
                self._note(step, rows)

        return sync_rows

    @rank_zero_only
    def resume(self, step: int) -> None:
        """Keep the rows up to a step, as the checkpoint of that step expects them, and report what is damaged."""
        table, found = read_table(self.path), self.path.exists()
        lost = self._count_lost(table)
        if lost or table.unreadable or table.end:
            self._report(table, lost)
        kept = [row for row in table.rows if int(row["step"]) <= step]
        self._columns, self._rows = table.columns or ["step"], len(kept)
        self._note(step, self._rows)  # before the rows beyond it go
        if found and (len(kept) < len(table.rows) or table.unreadable or table.end):
            self._rewrite(kept)

    def read(self) -> list[Row]:
        """Return all readable rows by column; a metric that a row lacks is the empty string."""
        return read_table(self.path).rows

    def _count_lost(self, table: Table) -> int:
        """The number of rows that were on disk and are lost."""
        try:
            synced = json.loads(self.path.with_name(SYNCED).read_bytes())
            return max(0, synced["rows"] - sum(int(row["step"]) <= synced["step"] for row in table.rows))
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # an earlier version did not count
            return 0

    def _report(self, table: Table, lost: int) -> None:
        damage = [table.end] if table.end else []
        if lost or table.unreadable:
            lines = ", ".join(map(str, table.unreadable[:5])) + (", …" if len(table.unreadable) > 5 else "")
            damage += [f"{len(table.unreadable)} unreadable lines ({lines})"] if table.unreadable else []
            damage += [f"{lost} rows of earlier steps are lost"] if lost else []
            if self.path.exists():
                write_atomically(self.path.with_name(DAMAGED), self.path.read_bytes())
                damage += [f"it is kept as {DAMAGED}"]
        Console("train").warn(f"note: {self.path}: {'; '.join(damage)}; the run continues with the rows that are left")

    def _note(self, step: int, rows: int) -> None:
        write_atomically(self.path.with_name(SYNCED), json.dumps({"step": step, "rows": rows}))

    def _rewrite(self, rows: list[Row]) -> None:
        text = io.StringIO(newline="")
        writer = self._writer(text)
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.path, text.getvalue())

    def _writer(self, file) -> csv.DictWriter:
        return csv.DictWriter(file, self._columns, restval="", lineterminator="\n")


def read_table(path: Path) -> Table:
    """Read metrics.csv line by line, and note what cannot be read instead of failing."""
    if not path.exists():
        return Table()
    *lines, torn = path.read_bytes().split(b"\n")
    table = Table(end=_describe_end(torn))
    while lines and not lines[-1].strip(b"\0\r "):
        table.end = "its end was NUL bytes" if b"\0" in lines[-1] else table.end
        lines.pop()
    for number, line in enumerate(lines, 1):
        cells = _cells(line)
        if number == 1 and cells and cells[0] == "step":
            table.columns = cells
        elif cells and len(cells) == len(table.columns) and _is_row(cells):
            table.rows.append(dict(zip(table.columns, cells, strict=True)))
        else:
            table.unreadable.append(number)
    return table


def _describe_end(torn: bytes) -> str:
    """What is wrong with what follows the last line end."""
    if not torn:
        return ""
    return "its last line was torn" if torn.strip(b"\0") else "its end was NUL bytes"


def _cells(line: bytes) -> list[str]:
    """The cells of a line; none of one that is not UTF-8 or holds NULs."""
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r")])) if b"\0" not in line else []
    except (UnicodeDecodeError, csv.Error, StopIteration):
        return []


def _is_row(cells: list[str]) -> bool:
    try:
        return int(cells[0]) >= 0 and all(float(cell) is not None for cell in cells[1:] if cell)
    except ValueError:
        return False

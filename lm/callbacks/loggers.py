"""Loggers: metrics.csv, and the contract of loggers that also take texts.

Lightning's CSVLogger deletes the earlier file when a run resumes; metrics.csv is appended to and exact across resumes.
"""

import csv
import io
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lm.files import write_atomically


class TextLogger(Logger):
    """A logger of metrics and of tables of texts, such as samples."""

    @abstractmethod
    def log_texts(self, name: str, rows: Sequence[Mapping[str, str | int]], *, step: int) -> None:
        """Log a table whose rows all have the same keys."""


class MetricsFile(Logger):
    """Write metrics by step to `<save_dir>/metrics.csv`, one row per logged step.

    The first row written after a resume removes the rows that an interrupted run had logged beyond its checkpoint. A
    new metric adds a column, for which the file is rewritten.

    Args:
        save_dir: Directory of the run; `train` passes it.
    """

    def __init__(self, save_dir: str):
        super().__init__()
        self.path = Path(save_dir) / "metrics.csv"
        self._columns: list[str] | None = None

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
            rows = [row for row in self.read() if int(row["step"]) < step]
            self._columns = list(rows[0]) if rows else ["step"]
            self._rewrite(rows)
        new = [name for name in metrics if name not in self._columns]
        if new:
            self._columns += new
            self._rewrite(self.read())
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            self._writer(file).writerow({"step": step, **metrics})

    def read(self) -> list[dict[str, str]]:
        """Return all rows by column; a metric that a row lacks is the empty string."""
        if not self.path.exists():
            return []
        whole, _, _ = self.path.read_text(encoding="utf-8").rpartition("\n")  # a killed writer may leave half a row
        return list(csv.DictReader(io.StringIO(whole)))

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = self._writer(text)
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.path, text.getvalue())

    def _writer(self, file) -> csv.DictWriter:
        return csv.DictWriter(file, self._columns, restval="", lineterminator="\n")

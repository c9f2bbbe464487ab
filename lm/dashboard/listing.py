"""The list of runs as plain data, read again only where files have changed."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from lm.directory.catalogue import FoundRun, catalogue
from lm.directory.layout import MANIFEST

FRESH = 1.0  # seconds for which a list is good
CURVE = 40  # points of a curve in the list
SEARCHED = 20  # lines read for a point: where a row has none, the next one has
LOSSES = ("train/loss", "validation/loss")
Row = dict[str, Any]


@dataclass
class Listing:
    """The runs below `root`.

    Args:
        root: Directory of the runs.
    """

    root: Path
    _rows: list[Row] = field(default_factory=list)
    _read: float = -FRESH
    _curves: dict[Path, tuple[tuple[float, int], Row]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def rows(self) -> list[Row]:
        """Return a row per run: place, state, metric, step, time of the last change, and the curve of its loss."""
        with self._lock:
            if time.monotonic() - self._read >= FRESH:
                found = catalogue(self.root)
                self._rows = [*map(self._row, found), *self._queued({run.place for run in found})]
                self._read = time.monotonic()
            return self._rows

    def directory(self, place: str) -> Path | None:
        """The directory of the run at a place of the list; None where there is none, whatever else lies there."""
        known = any(row["place"] == place and row["state"] != "queued" for row in self.rows())
        return self.root / place if known else None

    def _row(self, run: FoundRun) -> Row:
        return {
            "place": run.place,
            "state": run.state,
            "metric": run.metric,
            "changed": run.changed,
            "size": run.size,
            "parent": run.parent,
            **self._progress(run.directory),
        }

    def _progress(self, directory: Path) -> Row:
        """The last step and the curve of the loss; of runs that do not train, nothing."""
        file = directory / "metrics.csv"
        try:
            status = file.stat()
        except OSError:
            return {}
        key, (known, row) = (status.st_mtime, status.st_size), self._curves.get(directory, ((0.0, -1), {}))
        if key != known:
            row = _curve(file)
            self._curves[directory] = key, row
        return row

    def _queued(self, begun: set[str]) -> Iterator[Row]:
        """The jobs of sweeps that have not begun: their files lie beside the sweep, without an outcome."""
        for file in sorted(self.root.glob("*/**/[0-9]*.json")):
            try:
                job = json.loads(file.read_bytes())
                place = Path(job["directory"]).absolute().relative_to(self.root.absolute()).as_posix()
            except (OSError, ValueError, KeyError, TypeError):  # of something else, or of another root
                continue
            if place not in begun and not file.with_suffix(".outcome.json").exists() and not self._begun(place):
                yield {"place": place, "state": "queued", "metric": "", "changed": file.stat().st_mtime, "size": 0}

    def _begun(self, place: str) -> bool:
        return (self.root / place / MANIFEST).exists()


def _curve(file: Path) -> Row:
    """The curve of the loss from a few lines of the file, and its last step: a list reads a thousand files at once."""
    head, *lines = file.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    names = head.split(",")
    column = next((names.index(each) for each in LOSSES if each in names), None)
    if column is None or not lines:
        return {}
    starts = [number * len(lines) // CURVE for number in range(min(CURVE, len(lines)))]
    found = [_value(lines[start : start + SEARCHED], column) for start in starts]
    last = _value(lines[: -SEARCHED - 1 : -1], column)
    steps = [int(step) for line in lines[-SEARCHED:] if (step := line.partition(",")[0]).isdigit()]
    if last is None or not steps:
        return {}
    return {"step": max(steps), "loss": last, "curve": [*(each for each in found if each is not None), last]}


def _value(lines: Sequence[str], column: int) -> float | None:
    """The first number of a column; rows of validations leave those of training empty."""
    for line in lines:
        cells = line.split(",")
        with suppress(ValueError, IndexError):
            if isfinite(value := float(cells[column])):
                return value
    return None

"""The list of runs as plain data, read again only where files have changed."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lm.directory.catalogue import FoundRun, catalogue
from lm.directory.layout import MANIFEST
from lm.report.run.facts import RunFacts

FRESH = 1.0  # seconds for which a list is good
CURVE = 40  # points of a curve in the list
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
            row = _curve(RunFacts(directory))
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


def _curve(facts: RunFacts) -> Row:
    name = next((each for each in LOSSES if each in facts.metrics), None)
    if name is None:
        return {}
    _, values = facts.metrics[name]
    count = min(CURVE, len(values))
    curve = [values[number * len(values) // count] for number in range(count)] + values[-1:]
    return {"step": max(points[0][-1] for points in facts.metrics.values()), "loss": values[-1], "curve": curve}

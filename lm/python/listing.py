"""The runs below a directory as plain values that print as a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lm.directory.catalogue import FoundRun, State, catalogue
from lm.report.table import Column, scaled, text_table


@dataclass(frozen=True)
class ListedRun:
    """A run.

    Args:
        place: Its directory relative to the root, job/name.
        directory: Where it lies.
        state: complete, running, interrupted or unreadable.
        metric: Name of the number by which runs of its job compare; "" without one.
        value: That number; None without one.
        size: Bytes of its files.
        changed: When one of them was last written.
        parent: The run whose weights it started from; "" without one.
        manifest: What it was made from and what came of it.
    """

    place: str
    directory: Path
    state: State
    metric: str
    value: float | None
    size: int
    changed: datetime
    parent: str
    manifest: Mapping[str, Any] = field(repr=False)


class ListedRuns(list[ListedRun]):
    """Runs, which print as a table."""

    def __repr__(self) -> str:
        columns = [
            Column("run", "", lambda run: run.place),
            Column("state", "", lambda run: run.state),
            Column("size", "", lambda run: scaled(run.size, "B")),
            Column("changed", "", lambda run: f"{run.changed:%Y-%m-%d %H:%M}"),
            Column("metric", "", lambda run: "" if run.value is None else f"{run.value:.4g} {run.metric}"),
            Column("from", "", lambda run: run.parent),
        ]
        return text_table(columns, self) if self else "no runs"


def runs(root: str | Path = "outputs", *, only: str = "*") -> ListedRuns:
    """Return the runs below a directory, in the order of their places.

    Args:
        root: Directory of the runs.
        only: Pattern of job/name, as 'pretrain/*'.
    """
    return ListedRuns(_listed(run) for run in catalogue(root) if fnmatchcase(run.place, only))


def _listed(run: FoundRun) -> ListedRun:
    metric = run.manifest.get("metric") or {}
    return ListedRun(
        place=run.place,
        directory=run.directory,
        state=run.state,
        metric=metric.get("name", ""),
        value=metric.get("value"),
        size=run.size,
        changed=datetime.fromtimestamp(run.changed),
        parent=run.parent,
        manifest=run.manifest,
    )

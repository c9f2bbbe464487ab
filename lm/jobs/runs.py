"""List the runs below a directory, and remove some."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from lm.directory.catalogue import FoundRun, catalogue, standing_on
from lm.directory.removal import check_removable, remove_run
from lm.progress import Console
from lm.report.table import Column, counted, scaled, text_table

ORDERS = {
    "place": lambda run: run.place,
    "size": lambda run: -run.size,
    "time": lambda run: -run.changed,
}


def list_runs(
    root: str = "outputs",
    only: str = "*",
    remove: str | Sequence[str] = (),
    order: Literal["place", "size", "time"] = "place",
) -> list[FoundRun]:
    """Print each run with its state, size, metric and the run it started from; remove those that are named.

    Args:
        root: Directory of the runs.
        only: Pattern of the runs to list, such as 'pretrain/*' or '*/default'; the pattern * is all.
        remove: Run to remove, as job/name or a pattern of that, or several; none only lists. A run that another one
            stands on is refused, unless that one is removed too.
        order: place, size (largest first) or time (newest first).

    Returns:
        The runs that were listed or removed.

    Raises:
        ValueError: There is no such run, or one that is to be removed must stay.
    """
    console, runs = Console("runs"), catalogue(root)
    if not runs:
        raise ValueError(f"root={root}: no runs lie there; a run of lm writes to outputs/ unless run.root is set")
    if remove:
        return _remove(console, runs, [remove] if isinstance(remove, str) else remove, Path(root))
    chosen = [run for run in runs if fnmatchcase(run.place, only)]
    if not chosen:
        below = any(run.place.startswith(f"{only}/") for run in runs)
        remedy = f"write 'only={only}/*'" if below else "it is a pattern of job/name; lm runs lists them"
        raise ValueError(f"only={only}: {root} has {counted(len(runs), 'run')}, and none at such a place: {remedy}")
    dependents = standing_on(runs)
    columns = [
        Column("run", "", lambda run: run.place),
        Column("state", "", lambda run: run.state),
        Column("size", "", lambda run: scaled(run.size, "B")),
        Column("changed", "", lambda run: f"{datetime.fromtimestamp(run.changed):%Y-%m-%d %H:%M}"),
        Column("metric", "", lambda run: run.metric),
        Column("from", "", lambda run: run.parent),
        Column("read by", "", lambda run: str(len(dependents[run.place]) or "")),
    ]
    console.block(text_table(columns, sorted(chosen, key=ORDERS[order])))
    console.line(
        f"{counted(len(chosen), 'run')}, {scaled(sum(run.size for run in chosen), 'B')} in {root}", before="\n"
    )
    return chosen


def _remove(console: Console, runs: Sequence[FoundRun], patterns: Sequence[str], root: Path) -> list[FoundRun]:
    patterns = [pattern.removeprefix(f"{root.as_posix()}/").rstrip("/") for pattern in patterns]
    for pattern in patterns:
        if not any(fnmatchcase(run.place, pattern) for run in runs):
            near = [run.place for run in runs if run.place.endswith(f"/{pattern}")]
            near += [f"'{pattern}/*'"] if any(run.place.startswith(f"{pattern}/") for run in runs) else []
            near = near or get_close_matches(pattern, [run.place for run in runs], 2)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; lm runs lists them"
            raise ValueError(f"remove: there is no run {pattern} in {root}{hint}")
    chosen = [run for run in runs if any(fnmatchcase(run.place, pattern) for pattern in patterns)]
    check_removable(chosen, runs)
    remove_all(console, chosen, root)
    return chosen


def remove_all(console: Console, runs: Sequence[FoundRun], root: Path) -> None:
    """Remove runs and say so."""
    for run in runs:
        remove_run(run, root)
        console.line(f"removed {run.place}, {scaled(run.size, 'B')}")

"""Remove runs by rule: those that were left unfinished, and those that nothing reads."""

from collections.abc import Sequence
from pathlib import Path
from time import time

from lm.bounds import NonNegative
from lm.directory.catalogue import FoundRun, catalogue, standing_on
from lm.files import is_temporary
from lm.jobs.runs import remove_all
from lm.progress import Console
from lm.report.table import counted, scaled

DAY = 86_400  # seconds


def clean(
    root: str = "outputs",
    days: NonNegative = 7.0,
    unfinished: bool = True,
    unread: str | Sequence[str] = (),
    delete: bool = False,
) -> list[FoundRun]:
    """Print what the rules would remove, and remove it with `delete`. No rule takes a run that another one stands on.

    Temporary files of processes that were killed go by the same age.

    Args:
        root: Directory of the runs.
        days: Nothing that was written within so many days is removed.
        unfinished: Whether runs that are interrupted go.
        unread: Job, or jobs, whose complete runs go where no other run reads them, such as corpus or evaluate.
        delete: Whether to remove; false only prints.

    Returns:
        The runs that the rules name.
    """
    console, runs = Console("clean"), catalogue(root)
    if not Path(root).is_dir():
        raise ValueError(f"root={root}: no runs lie there; a run of lm writes to outputs/ unless run.root is set")
    unread = [unread] if isinstance(unread, str) else unread
    jobs = {run.place.partition("/")[0] for run in runs}
    if unknown := [job for job in unread if job not in jobs]:
        raise ValueError(f"unread: {root} has no runs of {unknown[0]}, only of {', '.join(sorted(jobs)) or 'no job'}")
    before, dependents = time() - days * DAY, standing_on(runs)
    old = [run for run in runs if run.changed < before and not dependents[run.place]]
    chosen = [run for run in old if unfinished and run.state == "interrupted"]
    chosen += [run for run in old if run.state == "complete" and run.place.partition("/")[0] in unread]
    torn = [file for file in Path(root).rglob("*") if is_temporary(file) and file.stat().st_mtime < before]
    if delete:
        remove_all(console, chosen, Path(root))
        for file in torn:
            file.unlink(missing_ok=True)
    else:
        console.lines(f"{run.place}, {run.state}, {scaled(run.size, 'B')}" for run in chosen)
    size = scaled(sum(run.size for run in chosen), "B")
    what = f"{counted(len(chosen), 'run')}, {size}, and {counted(len(torn), 'temporary file')}"
    nothing = "" if chosen or torn else ": nothing to do"
    console.line(f"removed {what}{nothing}" if delete else f"{what} would go{nothing or '; delete=true removes them'}")
    return chosen

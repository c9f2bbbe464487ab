"""Remove runs, whole or not at all."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from lm.directory.catalogue import FoundRun, manifest_or_nothing, standing_on
from lm.directory.layout import LOCK, MANIFEST, own_files
from lm.directory.lock import DirectoryLock
from lm.files import WINDOWS, write_atomically


def check_removable(chosen: Sequence[FoundRun], runs: Sequence[FoundRun]) -> None:
    """Refuse to remove runs that are being executed, or that others stand on which stay.

    Args:
        chosen: The runs to remove.
        runs: All runs.

    Raises:
        ValueError: With a line for each run that must stay.
    """
    going, dependents = {run.place for run in chosen}, standing_on(runs)
    faults = []
    for run in chosen:
        if run.state == "running":
            faults.append(f"{run.place} is being executed: stop it first")
        staying = [place for place in dependents[run.place] if place not in going]
        if staying:
            more = len(staying) - 3
            others = f" and {more} other{'s' * (more > 1)}" if more > 0 else ""
            one = len(staying) == 1
            stand, them = ("stands", "that") if one else ("stand", "them")
            faults.append(f"{', '.join(staying[:3])}{others} {stand} on {run.place}: keep it, or remove {them} too")
    if faults:
        raise ValueError("\n".join([*faults, "nothing was removed"]))


def remove_run(run: FoundRun, root: Path) -> None:
    """Remove the files of a run, and directories that are empty then; runs below it stay.

    The run is locked until it is removed, so that no process begins to execute it meanwhile. The manifest is removed
    last, as that of an unfinished run: if the process is killed, the run can be removed again.

    Raises:
        ValueError: A process has begun to execute the run, or has changed it, since it was found; nothing is removed.
    """
    lock = DirectoryLock(run.directory)
    try:
        if manifest_or_nothing(run.directory) != run.manifest:
            raise ValueError(f"{run.place} has changed since it was listed: lm runs lists it again; it was not removed")
        _remove_files(run, but=LOCK if WINDOWS else "")  # which cannot remove an open file
    finally:
        lock.release()
    if WINDOWS:
        (run.directory / LOCK).unlink(missing_ok=True)
    for place in (run.directory, *run.directory.parents):
        if place == root or root not in place.parents:
            return
        try:
            place.rmdir()
        except OSError:  # not empty: other runs lie there, or one has begun
            return


def _remove_files(run: FoundRun, *, but: str) -> None:
    if run.manifest:
        unfinished = {**run.manifest, "state": "started"}
        write_atomically(run.directory / MANIFEST, json.dumps(unfinished, indent=2, ensure_ascii=False))
    own = [path for path in own_files(run.directory) if path.name != but]
    for path in sorted(own, key=lambda path: (path.name == LOCK, path.name == MANIFEST)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

"""The runs below a directory: what each is, how large, in which state, and which runs stand on it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lm.directory.layout import MANIFEST
from lm.directory.lock import is_locked
from lm.directory.manifest import read_manifest

State = Literal["complete", "running", "interrupted", "unreadable"]


@dataclass(frozen=True)
class FoundRun:
    """A run as its directory says it is.

    Args:
        directory: Where it lies.
        place: The directory relative to the root: `job/name`.
        manifest: Its manifest; empty where it cannot be read.
        size: Bytes of its files, without those of runs below it.
        changed: When one of them was last written, in seconds since 1970.
    """

    directory: Path
    place: str
    manifest: Mapping[str, Any]
    size: int
    changed: float

    @cached_property
    def state(self) -> State:
        if not self.manifest:
            return "unreadable"
        if is_locked(self.directory):
            return "running"
        return "complete" if self.manifest["state"] == "complete" else "interrupted"

    @property
    def metric(self) -> str:
        """The number by which runs of its job compare; empty where there is none."""
        found = self.manifest.get("metric")
        return f"{found['value']:.4g} {found['name'].removeprefix('validation/')}" if found else ""

    @property
    def parent(self) -> str:
        """The run whose weights it started from, as it was given; empty without one."""
        return self.manifest.get("lineage", {}).get("parent", {}).get("run", "")

    @cached_property
    def paths(self) -> set[str]:
        """What its config and its lineage name that may be a path, absolute."""
        base = self._started_in()
        named = {text for text in _texts(self.manifest.get("config", {})) if 0 < len(text) < 1000 and "\n" not in text}
        return {os.path.normpath(os.path.join(base, os.path.expanduser(text))) for text in {*named, self.parent} - {""}}

    def _started_in(self) -> str:
        """The directory in which its command was run, which relative paths start from."""
        here, root = self.directory.absolute(), self.manifest.get("config", {}).get("run", {}).get("root", "")
        job, name = self.manifest.get("job", ""), self.manifest.get("name", "")
        below = Path(os.path.normpath(os.path.join(root, job, name))).parts
        return str(Path(*here.parts[: -len(below)])) if here.parts[-len(below) :] == below else os.getcwd()


def catalogue(root: str | Path) -> list[FoundRun]:
    """Return the runs below `root` in the order of their places; links are not followed.

    A study or a sweep is a run, or a directory, with runs below it, which are found like any other.
    """
    sizes: dict[Path, list[float]] = {}
    manifests: list[Path] = []
    owner: dict[str, Path | None] = {}  # of each directory: the nearest run around it
    for place, folders, files in os.walk(root):
        mine = Path(place) if MANIFEST in files else owner.get(os.path.dirname(place))
        owner[place] = mine
        folders.sort()
        if MANIFEST in files:
            manifests.append(Path(place))
            sizes[Path(place)] = [0, 0.0]
        if mine is not None:
            for name in files:
                _add(sizes[mine], os.path.join(place, name))
    found = [_found(Path(root), each, *sizes[each]) for each in manifests]
    return sorted(found, key=lambda run: run.place)


def standing_on(runs: Sequence[FoundRun]) -> dict[str, list[str]]:
    """Return by place of a run the places of the runs that read it: their configs or lineages name it.

    A run that lies below another is part of it, and does not stand on it.
    """
    places = {str(run.directory.absolute()): run.place for run in runs}
    found: dict[str, list[str]] = {run.place: [] for run in runs}
    for run in runs:
        own = str(run.directory.absolute())
        for read in sorted({place for path in run.paths for place in _around(path, places)}):
            if read != own and not own.startswith(read + os.sep) and not read.startswith(own + os.sep):
                found[places[read]].append(run.place)
    return found


def manifest_or_nothing(directory: Path) -> Mapping[str, Any]:
    """The manifest of a run; empty where it cannot be read."""
    try:
        return read_manifest(directory)
    except (OSError, ValueError):
        return {}


def _found(root: Path, directory: Path, size: float, changed: float) -> FoundRun:
    place = directory.relative_to(root).as_posix()
    return FoundRun(directory, place, manifest_or_nothing(directory), int(size), changed)


def _add(total: list[float], path: str) -> None:
    try:
        status = os.lstat(path)
    except OSError:  # removed meanwhile
        return
    total[0] += status.st_size
    total[1] = max(total[1], status.st_mtime)


def _around(path: str, places: Mapping[str, str]) -> Iterator[str]:
    """The innermost run that a path is, or lies in."""
    while path != os.path.dirname(path):
        if path in places:
            yield path
            return
        path = os.path.dirname(path)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)

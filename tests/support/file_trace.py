"""What a job does to the files of a directory, and every state in which a crash could leave them.

`FileTrace` takes the whole tree before each operation that Python announces (opening to write, renaming, removing,
making or linking a name, truncating) and at each fsync; whatever was written since, also by libraries in other
languages, is the difference of two trees. `crash_states` models a disk with POSIX's promises only: without fsync of a
file its content may be missing, and without fsync of a directory so may the changes of its names.
"""

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Names = dict[int, dict[str, int]]  # directory → name → what it names
Contents = dict[int, bytes | str]  # file → content; link → target
State = dict[str, bytes | str | None]  # path → content of a file, target of a link, None for a directory


@dataclass(frozen=True)
class Moment:
    """A tree as programs see it before an operation, and what of it is on disk for certain."""

    operation: str
    names: Names
    contents: Contents
    synced_names: Names
    synced: Contents


class FileTrace:
    """Record every change of a directory by the enclosed code; what is there before counts as on disk.

    Args:
        root: The directory.
        whole: Endings of files that a library changes and syncs as a whole where Python does not see it, as SQLite.
        others: File to which processes under `tell_syncs` write what they sync in this directory; None for one process.
    """

    def __init__(self, root: Path, *, whole: tuple[str, ...] = (), others: Path | None = None):
        self.root, self.whole, self.others = root, whole, others
        self._told = 0  # bytes of `others` that were read
        self.moments: list[Moment] = []
        self._serials: dict[int, int] = {}  # inode → serial number: inodes are used again
        self._count = 0
        self._names: Names = {}
        self._contents: Contents = {}
        self._synced_names: Names = {}
        self._synced: Contents = {}
        self._busy = threading.local()
        self._active = False

    def __enter__(self) -> "FileTrace":
        self._scan()
        self._synced_names, self._synced = dict(self._names), dict(self._contents)
        self._fsync, os.fsync = os.fsync, self._sync
        self._active = True
        sys.addaudithook(self._hear)  # cannot be removed again, only be deaf
        return self

    def __exit__(self, *_: object) -> None:
        self._active = False
        os.fsync = self._fsync
        self._note("the end")

    def _hear(self, event: str, arguments: tuple) -> None:
        if not self._active or getattr(self._busy, "now", False) or not (event == "open" or event in CHANGES):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITES):
            return
        path = arguments[0]
        path = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if os.path.isabs(path) and not path.startswith(str(self.root)):
            return
        self._note(f"{event} {' → '.join(os.path.basename(str(each)) for each in arguments[:2])}")

    def _sync(self, handle: int | Any) -> None:
        number = handle if isinstance(handle, int) else handle.fileno()
        self._note("fsync")
        self._fsync(number)
        self._take_as_synced(os.fstat(number).st_ino)
        self._note("after fsync")

    def _take_as_synced(self, inode: int) -> None:
        serial = self._serials.get(inode)
        if serial in self._names:
            self._synced_names[serial] = self._names[serial]
        elif serial in self._contents:
            self._synced[serial] = self._contents[serial]

    def _note(self, operation: str) -> None:
        self._busy.now = True
        try:
            told = self.others.read_bytes() if self.others else b""
            self._scan()
            for inode in told[self._told :].split():
                self._take_as_synced(int(inode))
            self._told = len(told)
        finally:
            self._busy.now = False
        parts = (self._names, self._contents, self._synced_names, self._synced)
        self.moments.append(Moment(operation, *map(dict, parts)))

    def _scan(self) -> None:
        seen: dict[int, int] = {}
        names: Names = {}
        self._visit(self.root, names, seen)
        self._serials = seen
        self._names = {**self._names, **names}  # what was removed stays known: its name may come back

    def _visit(self, path: Path | os.DirEntry, names: Names, seen: dict[int, int]) -> int:
        inode = path.stat(follow_symlinks=False).st_ino
        serial = self._serials.get(inode)
        if serial is None:
            serial = self._count = self._count + 1
        seen[inode] = serial
        if path.is_symlink():
            self._contents[serial] = os.readlink(path)
        elif path.is_dir():
            with os.scandir(path) as entries:
                names[serial] = {entry.name: self._visit(entry, names, seen) for entry in entries}
        else:
            content = Path(path).read_bytes()
            if self._contents.get(serial) != content:  # equal ones share their memory
                self._contents[serial] = content
            if Path(path).name.endswith(self.whole):
                self._synced[serial] = self._contents[serial]
        return serial


@contextmanager
def tell_syncs(file: Path) -> Iterator[None]:
    """Write the inode of whatever the enclosed code of another process syncs, for the trace of the first."""
    sync = os.fsync

    def telling(handle: int | Any) -> None:
        sync(handle)
        with open(file, "ab") as told:
            told.write(b"%d\n" % os.fstat(handle if isinstance(handle, int) else handle.fileno()).st_ino)

    os.fsync = telling
    try:
        yield
    finally:
        os.fsync = sync


def crash_states(trace: FileTrace) -> list[tuple[str, int, State]]:
    """Each distinct state that a crash could leave, with its description and the last moment that could leave it.

    Descriptions of a mere kill begin with "killed".
    """
    found: dict[bytes, tuple[str, int, State]] = {}
    previous: Contents = trace.moments[0].contents
    for number, moment in enumerate(trace.moments):
        for kind, names, contents in _variants(moment, previous):
            state = _tree(names, contents)
            digest = _digest(state)
            name = found[digest][0] if digest in found else f"{kind} at operation {number}, {moment.operation}"
            found[digest] = name, number, state
        previous = moment.contents
    return [*found.values()]


def _variants(moment: Moment, previous: Contents) -> Iterator[tuple[str, Names, Contents]]:
    names, contents = moment.names, moment.contents
    yield "killed", names, contents
    files = {serial: content for serial, content in contents.items() if isinstance(content, bytes)}
    changed = {serial: content for serial, content in files.items() if previous.get(serial) != content}
    written = {serial: content for serial, content in changed.items() if moment.synced.get(serial) != content}
    yield (
        "killed in a write",
        names,
        contents
        | {
            serial: _half((previous.get(serial, b""), moment.synced.get(serial, b"")), content)
            for serial, content in written.items()
        },
    )
    unsynced = {serial: content for serial, content in files.items() if moment.synced.get(serial) != content}
    lost = {serial: moment.synced.get(serial, b"") for serial in unsynced}
    zeros = {serial: lost[serial] + bytes(max(0, len(c) - len(lost[serial]))) for serial, c in unsynced.items()}
    yield "unsynced content lost", names, contents | lost
    yield "unsynced content NUL", names, contents | zeros
    older = {
        serial: moment.synced_names.get(serial, {})
        for serial, entries in names.items()
        if moment.synced_names.get(serial, {}) != entries
    }
    yield "unsynced names lost", names | older, contents
    yield "everything unsynced lost", names | older, contents | lost
    for serial, entries in older.items() if len(older) > 1 else ():
        yield "unsynced names of one directory lost", names | {serial: entries}, contents
        rest = {other: each for other, each in older.items() if other != serial}
        yield "unsynced names lost but of one directory", names | rest, contents


def _half(before: tuple[bytes, bytes], after: bytes) -> bytes:
    """Half of what a write adds to the longest beginning that was there: written earlier, or synced by a thread."""
    kept = max((len(each) for each in before if after.startswith(each)), default=0)
    return after[: kept + (len(after) - kept) // 2]


def _tree(names: Names, contents: Contents, serial: int = 1, prefix: str = "") -> State:
    found: State = {}
    for name, inner in names[serial].items():
        path = f"{prefix}{name}"
        found[path] = contents.get(inner)
        if inner in names:
            found |= _tree(names, contents, inner, f"{path}/")
    return found


def _digest(state: State) -> bytes:
    digest = blake2b(digest_size=16)
    for path in sorted(state):
        content = state[path]
        digest.update(f"{path}\0{type(content).__name__}\0{len(content or '')}\0".encode())
        digest.update(content.encode() if isinstance(content, str) else content or b"")
    return digest.digest()


def leave(state: State, root: Path) -> None:
    """Make a directory hold that state and nothing else."""
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path, content in state.items():
        if content is None:
            (root / path).mkdir()
        elif isinstance(content, str):
            (root / path).symlink_to(content)
        else:
            (root / path).write_bytes(content)

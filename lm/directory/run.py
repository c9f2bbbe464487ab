"""A named run: its directory, its lock, whether it is complete, and what it was made from."""

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import Any

from lm.directory.layout import BOOKKEEPING, CONFIG, LOCK, MANIFEST, own_files
from lm.directory.lock import DirectoryLock
from lm.directory.manifest import REMEDY, check_same_config, identity, read_manifest, versions
from lm.files import FORBIDDEN, WINDOWS, hash_file, hash_json, is_temporary, sync, write_atomically
from lm.process import distribution
from lm.process.command import command_line
from lm.process.failure import REPORT
from lm.process.machine import describe_machine, peak_memory
from lm.process.ranks import is_first_process
from lm.process.supervisor import RankSupervisor
from lm.progress import Console

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class Run:
    """A named run with the directory `<root>/<job>/<name>/`; the same name again resumes it.

    The name says what the run is, not when it started, so every rank, and the same command tomorrow, finds the same
    directory. In return a changed config needs another name, or `restart`. `lm.directory.layout` draws the directory.

    Args:
        job: Name of the job, the directory below `root`.
        name: Name of the run, the directory below `job`; may contain `/`.
        root: Directory of all runs, relative to where the command is run.
        restart: Whether to empty the directory first, once the job has found all that it reads.
        extend: Whether a longer budget extends the run of this name, which is finished or was interrupted, instead of
            being refused: the same data order, optimizer state kept. Nothing but the budget's length may change.

    Raises:
        ValueError: If `job` or `name` would leave `root`, or `restart` and `extend` are both set.
    """

    def __init__(
        self, job: str, *, name: str = "default", root: str = "outputs", restart: bool = False, extend: bool = False
    ):
        if restart and extend:
            raise ValueError("run.restart=true removes the run that run.extend=true would extend: set one of them")
        for key, value in {"job": job, "name": name}.items():
            parts = PurePosixPath(value).parts
            if (
                not parts
                or value != "/".join(parts)
                or {"/", ".", ".."} & {*parts}
                or (WINDOWS and {*value} & {*FORBIDDEN})
            ):
                raise ValueError(
                    f"run.{key}={value}: must lie inside {root}: a plain name such as first, or small/first"
                )
        self.job, self.name, self.root, self.restart, self.extend = job, name, root, restart, extend
        self.config: dict = {}
        self.supervisor: RankSupervisor | None = None  # of the ranks that the job starts
        self.just_finished = False  # by this process, which also writes what is read of the run
        self._manifest: dict = {}
        self._lock: DirectoryLock | None = None
        self._opened = monotonic()

    @property
    def directory(self) -> Path:
        return Path(self.root, self.job, self.name)

    @property
    def console(self) -> Console:
        """The terminal of this run's job."""
        return Console(self.job)

    @property
    def identity(self) -> str:
        """What this run is, for its checkpoints; known once `finished` was asked. An extended run keeps it."""
        return self._manifest["identity"]

    @property
    def result(self) -> dict:
        """The result that the complete run recorded; empty before."""
        return self._manifest.get("result", {})

    @property
    def is_complete(self) -> bool:
        """Whether the run is known to be complete: it was found so, or this process has finished it."""
        return self._manifest.get("state") == "complete"

    @property
    def seconds(self) -> float:
        """Time since the job was opened."""
        return monotonic() - self._opened

    @property
    def recorded_inputs(self) -> dict[str, str]:
        """The inputs that an earlier start of this run recorded; none before, or where `restart` removes them."""
        launched = REPORT in os.environ  # by the first rank, which has emptied the directory already
        return {} if self.restart and not launched else self._recorded().get("inputs", {})

    def open(self, config: dict) -> None:
        """Take the plain `config`. The directory stays untouched until `finished` is called."""
        self.config, self._opened = config, monotonic()

    def close(self) -> None:
        """Release the directory; the end of the process does so too."""
        if self._lock:
            self._lock.release()
            self._lock = None

    def finished(
        self,
        inputs: Mapping[str, str],
        *,
        parent: Mapping[str, Any] | None = None,
        extension: Mapping[str, Any] | None = None,
    ) -> bool:
        """Claim the run directory; return True if this run is already complete. A complete run is not written to.

        With `restart` the directory is emptied here, after the job has found everything it reads: a typo must not
        delete a trained model. Only the first rank judges; `RankConsistency` compares the inputs of the ranks.

        Args:
            inputs: Label → fingerprint of everything the run reads.
            parent: The run that this one starts from, for the lineage in the manifest; None without one.
            extension: What the lineage records of a longer budget that the job has checked; the changed config is then
                accepted, and a complete run is one that continues. None for the budget that the manifest has.

        Raises:
            ValueError: If config or inputs differ from the manifest, or another process holds the lock.
        """
        self._claim(changed=extension is not None)
        before = self._manifest.setdefault("inputs", dict(inputs))
        changed = [label for label in {**before, **inputs} if before.get(label) != inputs.get(label)]
        if changed and is_first_process():
            lines = ", ".join(f"{label} ({before.get(label)} → {inputs.get(label)})" for label in changed)
            raise ValueError(f"run {self.directory} was made from other inputs: {lines}; {REMEDY}")
        self._manifest.setdefault("identity", identity(self.config, inputs))
        if self._complete() and extension is None:
            return True
        self._manifest |= {"state": "started", "config": self.config, "versions": versions()}
        self._manifest.setdefault("executions", []).append(_execution())
        if parent is not None:
            self._manifest.setdefault("lineage", {})["parent"] = dict(parent)
        if extension is not None:
            extensions = self._manifest.setdefault("lineage", {}).setdefault("extensions", [])
            extensions.append({**extension, "when": _now()})
        self._write(CONFIG, self.config)
        self._write(MANIFEST, self._manifest)
        return False

    def note(self, **facts: Any) -> None:
        """Record plain facts of this start of the run, known before it is finished, in its manifest."""
        if is_first_process():
            self._manifest["executions"][-1] |= facts
            self._write(MANIFEST, self._manifest)

    def finish(self, *, outputs: Sequence[Path], result: dict, metric: Mapping[str, Any] | None = None) -> None:
        """Record that the run is complete.

        Args:
            outputs: Files of the run that later jobs read; a directory stands for all files in it.
            result: Plain data for the manifest, such as final metrics.
            metric: The number by which runs of this job compare: name, value and mode (min or max); None without one.
        """
        if not is_first_process():
            self._manifest["result"] = result
            return
        files = {file for path in outputs for file in (path.rglob("*") if path.is_dir() else [path])}
        torn = {file for file in files if is_temporary(file)}  # by a process that was killed
        for file in torn:
            file.unlink()
        files -= torn
        for path in files | {file.parent for file in files}:  # before a manifest says so; those of lm.files are already
            sync(path)
        recorded = {
            file.relative_to(self.directory).as_posix(): {"bytes": _size(file), "hash": hash_file(file)}
            for file in sorted(files)
            if not file.is_dir()
        }
        seconds = round(self.seconds, 3)
        self._manifest["executions"][-1] |= {"seconds": seconds, **_peak(), **describe_machine()}
        self._manifest |= {
            "state": "complete",
            "finished": _now(),
            "seconds": seconds,  # of the process that finished it
            "fingerprint": hash_json({path: output["hash"] for path, output in recorded.items()}),
            "outputs": recorded,
            "result": result,
            **({"metric": dict(metric)} if metric else {}),
        }
        self._write(MANIFEST, self._manifest)
        self.just_finished = True

    @staticmethod
    def fingerprint(directory: str | Path) -> str:
        """The hash of the outputs of a complete run, as its manifest records it."""
        manifest = read_manifest(directory)
        if manifest["state"] != "complete":
            raise ValueError(f"run {directory} is not finished: run the command that started it again to resume it")
        return manifest["fingerprint"]

    @staticmethod
    def made(directory: str | Path) -> set[str]:
        """The output files of a complete run, relative to its directory; none before."""
        try:
            return set(read_manifest(directory).get("outputs", ()))
        except FileNotFoundError:  # weights copied without it
            return set()

    @staticmethod
    def recorded_identity(directory: str | Path) -> str | None:
        """The identity of the run in `directory`; None for one of an earlier version, or weights copied alone."""
        try:
            return read_manifest(directory).get("identity")
        except FileNotFoundError:
            return None

    def _claim(self, *, changed: bool) -> None:
        """Lock the directory and take its manifest for this config, once; `changed` if the job accepts another one."""
        if not is_first_process():
            self._manifest = {} if self.restart else self._recorded()
            return
        if self._lock:
            return
        try:
            self._lock = DirectoryLock(self.directory)
        except OSError as error:  # a complete run on a disk that is read only needs no lock: nobody can change it
            self._manifest = {} if self.restart or error.errno not in READ_ONLY else self._recorded()
            if not self._complete():
                raise
        if self.restart:
            self._clear()
        recorded = self._recorded()
        if recorded and not changed:
            check_same_config(recorded["config"], self.config, subject=f"run {self.directory}")
        started = {"state": "started", "job": self.job, "name": self.name, "started": _now()}
        self._manifest = {**started, **recorded}

    def _complete(self) -> bool:
        """Whether the manifest says so, and all outputs are there with their sizes."""
        return self._manifest.get("state") == "complete" and all(
            _size(self.directory / path) == output["bytes"] for path, output in self._manifest["outputs"].items()
        )

    def _recorded(self) -> dict:
        """The manifest; empty if the run has made nothing yet: a refused first attempt does not bind the name."""
        made = [
            path for path in own_files(self.directory) if path.name not in BOOKKEEPING and not path.name.startswith(".")
        ]
        if made and not (self.directory / MANIFEST).exists():
            raise ValueError(
                f"{self.directory} holds {made[0].name} but no {MANIFEST}, so nothing says what it was made from: move "
                "it away, or set run.name to another name"
            )
        if not (self.directory / MANIFEST).exists():
            return {}
        manifest = read_manifest(self.directory)
        return manifest if made or manifest["state"] == "complete" else {}

    def _clear(self) -> None:
        """Remove the run's own files."""
        own = [path for path in own_files(self.directory) if path.name != LOCK]
        if own and not (self.directory / MANIFEST).exists():
            raise ValueError(
                f"run.restart=true would empty {self.directory}, which holds files but no {MANIFEST}, so it "
                "is not a run: move them away, or set run.name to another name"
            )
        for path in own:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _write(self, name: str, content: dict) -> None:
        if is_first_process():
            write_atomically(self.directory / name, json.dumps(content, indent=2, ensure_ascii=False))


def _execution() -> dict[str, Any]:
    """What starts to work at this run: the command, the code and the machine."""
    found = {"started": _now(), "command": command_line(), "commit": distribution.commit(), **describe_machine()}
    return {key: value for key, value in found.items() if value}


def _peak() -> dict[str, int]:
    peak = peak_memory()
    return {"peak_memory": peak} if peak else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1

"""A named run: where its parts lie, whether it is done, and what it was made from."""

import fcntl
import json
import os
import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import TextIO

from lm.files import hash_file, hash_json, write_atomically
from lm.process.ranks import is_first_process
from lm.run.manifest import MANIFEST, WAY_OUT, differences, read_manifest, versions

CONFIG, LOCK = "config.json", ".lock"
BOOKKEEPING = {MANIFEST, CONFIG, LOCK}  # what a run has before it has made anything
SWEEP = re.compile(r"multirun\.yaml|summary\.(csv|json)|study\..*")  # what a sweep keeps above its runs


class Interrupted(BaseException):
    """A signal ended the run after it had saved. No Exception, lest a sweep go on with its next job."""

    def __init__(self, signal_number: int, message: str):
        super().__init__(signal_number, message)
        self.signal_number = signal_number
        self.message = message


class Run:
    """A named run and its directory `<root>/<job>/<name>/`; the same name again goes on with it.

    The name says what the run is, never when it was, so every rank, and the same command tomorrow, finds the
    same directory. The price: a changed config needs a new name, or `restart`.
    """

    def __init__(self, job: str, *, name: str = "default", root: str = "outputs", restart: bool = False):
        for key, value in {"job": job, "name": name}.items():
            parts = PurePosixPath(value).parts
            if not parts or value != "/".join(parts) or {"/", ".", ".."} & {*parts}:
                raise ValueError(
                    f"run.{key}={value}: must lie inside {root}: a plain name such as first, or small/first"
                )
        self.job, self.name, self.root, self.restart = job, name, root, restart
        self.config: dict = {}
        self._manifest: dict = {}
        self._lock: TextIO | None = None
        self._opened = monotonic()

    @property
    def directory(self) -> Path:
        return Path(self.root, self.job, self.name)

    @property
    def result(self) -> dict:
        """What the finished run recorded; empty before."""
        return self._manifest.get("result", {})

    def open(self, config: dict) -> None:
        """Note the plain `config`. Nothing is touched before `finished` knows what the run will read."""
        self.config, self._opened = config, monotonic()

    def close(self) -> None:
        """Let other processes have the directory; one that ends lets go by itself."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def finished(self, inputs: Mapping[str, str]) -> bool:
        """Whether there is nothing to do: complete, from these `inputs` (label → fingerprint), all there.

        Claims the directory; refuses one that holds another config or was made from other inputs. With `restart` it is
        emptied only here, when all that the job reads has been found: a typo must not cost a trained model. The first
        rank alone judges: what the others find of it may be of a moment ago, and whether they read the same they tell
        each other.
        """
        self._settle()
        before = self._manifest.setdefault("inputs", dict(inputs))
        changed = [label for label in {**before, **inputs} if before.get(label) != inputs.get(label)]
        if changed and is_first_process():
            told = ", ".join(f"{label} ({before.get(label)} → {inputs.get(label)})" for label in changed)
            raise ValueError(f"run {self.directory} was made from other inputs: {told}; {WAY_OUT}")
        complete = self._manifest.get("state") == "complete" and all(
            _size(self.directory / path) == output["bytes"] for path, output in self._manifest["outputs"].items()
        )
        if not complete:
            self._manifest["state"] = "started"
            self._write(MANIFEST, self._manifest)
        return complete

    def finish(self, *, outputs: Sequence[Path], result: dict) -> None:
        """Record that the run is complete: its files with their hashes (a directory stands for its files)."""
        if not is_first_process():
            self._manifest["result"] = result
            return
        files = {file for path in outputs for file in (path.rglob("*") if path.is_dir() else [path])}
        recorded = {
            file.relative_to(self.directory).as_posix(): {"bytes": _size(file), "hash": hash_file(file)}
            for file in sorted(files)
            if not file.is_dir()
        }
        self._manifest |= {
            "state": "complete",
            "finished": _now(),
            "seconds": round(monotonic() - self._opened, 3),  # of the process that finished it
            "fingerprint": hash_json({path: output["hash"] for path, output in recorded.items()}),
            "outputs": recorded,
            "result": result,
        }
        self._write(MANIFEST, self._manifest)

    @staticmethod
    def fingerprint(directory: str | Path) -> str:
        """The hash of all that a finished run made, as its manifest records it."""
        manifest = read_manifest(directory)
        if manifest["state"] != "complete":
            raise ValueError(f"run {directory} is not finished: the command that began it goes on with it")
        return manifest["fingerprint"]

    @staticmethod
    def made(directory: str | Path) -> set[str]:
        """The files that a finished run recorded as made, by their path inside it; none before."""
        try:
            return set(read_manifest(directory).get("outputs", ()))
        except FileNotFoundError:  # weights that somebody copied without
            return set()

    def _settle(self) -> None:
        """Take the directory and its manifest for this config, once."""
        if not is_first_process():
            self._manifest = {} if self.restart else self._recorded()
            return
        if self._lock:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._claim()
        if self.restart:
            self._clear()
        recorded = self._recorded()
        differing = differences(recorded["config"], self.config) if recorded else []
        if differing:
            lines = "".join(f"\n  {line}" for line in differing)
            raise ValueError(f"run {self.directory} exists with another config:{lines}\n{WAY_OUT}")
        started = {"state": "started", "job": self.job, "name": self.name, "started": _now()}
        self._manifest = {**started, **recorded, "config": self.config, "versions": versions()}
        self._write(CONFIG, self.config)
        self._write(MANIFEST, self._manifest)

    def _recorded(self) -> dict:
        """The manifest, unless all there is of the run is its books: one that was refused at once binds nobody."""
        made = [path for path in self._own() if path.name not in BOOKKEEPING and not path.name.startswith(".")]
        if made and not (self.directory / MANIFEST).exists():
            raise ValueError(
                f"{self.directory} holds {made[0].name} but no {MANIFEST}, so nothing says what it was made from: move "
                "it away, or set run.name to another name"
            )
        if not (self.directory / MANIFEST).exists():
            return {}
        manifest = read_manifest(self.directory)
        return manifest if made or manifest["state"] == "complete" else {}

    def _own(self) -> list[Path]:
        """What lies in the directory, without a sweep's runs below it and what the sweep keeps about them."""
        inside = self.directory.iterdir() if self.directory.is_dir() else ()
        there = [path for path in inside if not SWEEP.fullmatch(path.name)]
        return [path for path in there if not (path.is_dir() and any(path.rglob(MANIFEST)))]

    def _claim(self) -> None:
        """Lock the directory against a second process.

        A record lock, not flock: data workers do not inherit it, and may outlive a killed run by seconds.
        """
        self._lock = open(self.directory / LOCK, "a+")  # noqa: SIM115 (open as long as the run)
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self.close()
            raise ValueError(
                f"run {self.directory} is in use by {holder}: wait for it, or set run.name to another name"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._lock.flush()

    def _clear(self) -> None:
        """Remove the run's own files."""
        own = [path for path in self._own() if path.name != LOCK]
        if own and not (self.directory / MANIFEST).exists():
            raise ValueError(
                f"run.restart=true would empty {self.directory}, which holds files but no {MANIFEST}, so it "
                "is no run: move them away, or set run.name to another name"
            )
        for path in own:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _write(self, name: str, content: dict) -> None:
        if is_first_process():
            write_atomically(self.directory / name, json.dumps(content, indent=2, ensure_ascii=False))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1

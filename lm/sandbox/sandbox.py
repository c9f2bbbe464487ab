"""Run untrusted Python in a process of its own, within limits, and run tests on it that it cannot fake."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lm.bounds import Count, Positive

INSIDE = Path(__file__).with_name("inside.py")
WALLS = ("seccomp", "landlock", "audit")
MAX_ENTRIES = 1000  # files and directories of a sandbox
PAUSE = 0.05  # seconds between two looks at limits


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Args:
        status: `done`; `error` for an exception or an exit code other than 0; or the limit that ended it: `time`,
            `memory`, `output` or `disk`; `crash` for another signal.
        output: What it wrote to standard output, up to the limit.
        errors: What it wrote to standard error, up to the limit.
        walls: What confined it, of `seccomp`, `landlock` and `audit`.
    """

    status: str
    output: str
    errors: str
    walls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """How tests ended.

    Args:
        outcomes: Of each test "" if it passed, else why it did not.
    """

    outcomes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there are tests and all passed."""
        return bool(self.outcomes) and not any(self.outcomes)

    @property
    def share(self) -> float:
        """Share of the tests that passed."""
        return sum(not each for each in self.outcomes) / max(1, len(self.outcomes))


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Limits under which untrusted Python runs: the standard library, one process, no network, a directory of its own.

    Args:
        seconds: CPU time, in whole seconds: unlike elapsed time it depends little on what else the machine does.
        elapsed: Elapsed seconds after which a program that sleeps or waits is ended too.
        memory_mb: Address space in MB, of which the interpreter takes about 50.
        output_kb: Largest standard output, and standard error, in KB; a program that writes more is ended.
        disk_mb: Largest size of its directory, in MB.
        walls: What confines it: `seccomp`, `landlock`, `audit`, as far as the machine has them.
    """

    seconds: Count = 2
    elapsed: Positive = 10.0
    memory_mb: Count = 512
    output_kb: Count = 64
    disk_mb: Count = 16
    walls: Sequence[str] = WALLS

    def __post_init__(self) -> None:
        if os.name == "nt":
            raise ValueError("a sandbox for code needs Linux or macOS: run lm in WSL, or leave out what runs programs")

    def run(self, code: str, *, stdin: str = "") -> Outcome:
        """Run a program as a script.

        Args:
            code: Python source text.
            stdin: Its standard input.
        """
        with TemporaryDirectory(prefix="sandbox-") as directory:
            files = [Path(directory, name) for name in ("input", "work")]
            files[0].write_text(stdin, encoding="utf-8", errors="surrogatepass")
            files[1].mkdir()
            with open(files[0], "rb") as given:
                child = _Child(self, {"task": "program", "code": code}, directory=files[1], stdin=given)
            with child:
                _watch([child], until=time.monotonic() + self.elapsed)
            return child.outcome()

    def test(self, code: str, tests: Sequence[str], *, names: Sequence[str] = ()) -> Verdict:
        """Run tests on what a program defines.

        The program and the tests run in two processes. The tests call into the other one and compare plain data on
        their own side, so the program can neither see what is expected, nor change `assert`, nor report success.
        Objects of the program's own classes are compared with each other by the program. What the program calls like a
        builtin or a module of Python's library is not given to the tests, unless it is one of `names`.

        Args:
            code: Python source text that defines functions and classes.
            tests: Source texts; one passes if it raises nothing. Functions test_… that it defines are called.
            names: Names that the tests take from the program although Python has them too, such as `sum`.
        """
        with TemporaryDirectory(prefix="sandbox-") as directory:
            one, two = Path(directory, "answer"), Path(directory, "tests")
            one.mkdir()
            two.mkdir()
            with ExitStack() as stack:
                ends = [os.fdopen(end, "rb") for pipe in (os.pipe(), os.pipe()) for end in pipe]
                for end in ends:
                    stack.enter_context(end)
                from_answer, to_tests, from_tests, to_answer = (end.fileno() for end in ends)
                serve = {"task": "serve", "code": code, "channel": [from_tests, to_tests]}
                check = {"task": "tests", "tests": [*tests], "names": [*names], "channel": [from_answer, to_answer]}
                answer = stack.enter_context(_Child(self, serve, directory=one))
                judge = stack.enter_context(_Child(self, check, directory=two))
                for end in ends:  # so that each side sees when the other has ended
                    end.close()
                _watch([judge, answer], until=time.monotonic() + self.elapsed)
            outcomes = judge.report.get("outcomes")
            if outcomes is None:
                ended = next((each for each in (answer, judge) if each.limit), judge)
                outcomes = [{"": "the tests did not end"}.get(ended.limit, f"limit of {ended.limit}")] * len(tests)
            return Verdict(tuple(outcomes))


class _Child:
    """One confined interpreter."""

    def __init__(self, sandbox: Sandbox, request: dict, *, directory: Path, stdin=subprocess.DEVNULL) -> None:
        self.sandbox, self.directory, self.limit = sandbox, directory, ""
        asked, ask = os.pipe()
        reports, report = os.pipe()
        limits = {
            "seconds": sandbox.seconds,
            "memory": sandbox.memory_mb << 20,
            "file_bytes": sandbox.disk_mb << 20,
            "directory": str(directory.resolve()),
            "walls": [*sandbox.walls],
        }
        request = {"channel": [], **request, "limits": limits, "report": report}
        environment = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "HOME": str(directory), "TMPDIR": str(directory)}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-S", "-s", "-P", "-B", "-X", "utf8", str(INSIDE), str(asked)],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[asked, report, *request["channel"]],
                env=environment,
                cwd=directory,
                start_new_session=True,
            )
        finally:
            os.close(asked)
            os.close(report)
        self.received = {"output": bytearray(), "errors": bytearray(), "report": bytearray()}
        self.streams = {
            "output": self.process.stdout,
            "errors": self.process.stderr,
            "report": os.fdopen(reports, "rb"),
        }
        with suppress(BrokenPipeError), os.fdopen(ask, "wb") as file:
            file.write(json.dumps(request).encode())

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.process.wait()
        for stream in self.streams.values():
            stream.close()

    def kill(self, limit: str = "") -> None:
        """End it with all that it started in its process group; keep the first limit that it went over."""
        self.limit = self.limit or limit
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, 9)

    @property
    def report(self) -> dict:
        """What the trusted part of the child reported."""
        found: dict = {}
        for line in bytes(self.received["report"]).splitlines():
            with suppress(ValueError):
                found |= json.loads(line)
        return found

    def take(self, name: str) -> bool:
        """Read what has come on a stream; False at its end."""
        data = os.read(self.streams[name].fileno(), 1 << 16)
        room = (self.sandbox.output_kb << 10) - len(self.received[name])
        if name == "report":
            room = 1 << 24
        self.received[name] += data[: max(0, room)]
        if len(data) > room:
            self.kill("output")
        return bool(data)

    def look(self) -> None:
        """End it if its directory has grown beyond the limit."""
        size = 0
        for entries, entry in enumerate(_entries(self.directory), start=1):
            with suppress(OSError):
                size += entry.stat(follow_symlinks=False).st_size
            if entries > MAX_ENTRIES or size > self.sandbox.disk_mb << 20:
                self.kill("disk")
                return

    def outcome(self) -> Outcome:
        code = self.process.returncode
        errors = self.received["errors"].decode(errors="replace")
        status = self.limit or ("done" if code == 0 else "error" if code > 0 else "crash")
        if not self.limit and code in (-24, -9):  # SIGXCPU, and SIGKILL at the hard limit
            status = "time"
        elif status in ("error", "crash") and "MemoryError" in errors[-2000:]:
            status = "memory"
        walls = tuple(self.report.get("walls", ()))
        return Outcome(status, self.received["output"].decode(errors="replace"), errors, walls)


def _entries(directory: Path) -> Iterator[os.DirEntry]:
    """What a directory contains, at any depth."""
    waiting = [str(directory)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _watch(children: list[_Child], *, until: float) -> None:
    """Read what children write until the first one has ended, and end those that go over a limit."""
    first = children[0]
    with selectors.DefaultSelector() as selector:
        for child in children:
            for name, stream in child.streams.items():
                selector.register(stream, selectors.EVENT_READ, (child, name))
        looked = time.monotonic()
        while any(key.data[0] is first for key in selector.get_map().values()):
            for key, _ in selector.select(PAUSE):
                child, name = key.data
                if not child.take(name):
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if now > until:
                for child in children:
                    child.kill("time")
                return
            if now - looked > PAUSE:
                looked = now
                for child in children:
                    child.look()
            if first.process.poll() is not None and not _pending(selector, first):
                return


def _pending(selector: selectors.BaseSelector, child: _Child) -> bool:
    """Whether a stream of a child that has ended still has something to read."""
    return any(key.data[0] is child for key, _ in selector.select(0))

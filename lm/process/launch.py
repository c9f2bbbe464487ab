"""Ranks start together and end together: one that fails ends the job in under half a minute, and what it says is told.

The others then fail as well, or wait for it in a library that no exception reaches. What they say is not what happened,
so the process that launched them looks after them, tells the first failure and no other, and leaves none behind.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import Signals
from subprocess import Popen, TimeoutExpired
from threading import Event, Thread
from time import monotonic, sleep, time

from lm.files import write_atomically
from lm.process.ranks import in_group, this_rank

# What Lightning's launcher leaves in the environment of the process that launched.
LEFT_BEHIND = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
# What the libraries of torch.distributed say to a rank that has lost another.
LOST = (
    "onnection closed by peer",
    "onnection reset by peer",
    "roken pipe",
    "NCCL communicator was aborted",
    "TCPStore",
)
REPORT = "LM_RANK_REPORT"  # where a rank that another process has launched leaves what went wrong
POLL, SOON, LONG = 0.2, 1.0, 10.0  # seconds
LATE = 60.0  # seconds by which a rank that others start may come after another, clocks included
INTERRUPTED = range(128, 256)  # exit codes of a rank that a signal ended before it trained, or a second Ctrl-C


@dataclass(frozen=True)
class Failure:
    """Of a rank, in its words."""

    told: str  # all of it
    line: str
    code: int  # to exit with
    follows: bool = False  # it only lost a rank that had failed
    when: float = 0.0


class RankError(Exception):
    """Another rank than this has failed, and this one could not go on without."""

    def __init__(self, failure: Failure):
        super().__init__(failure.line)
        self.failure = failure


class RankSupervisor:
    """The other ranks of a job that this process has started on this machine; none where others start them."""

    def __init__(self, config: Path):
        self.config = config
        self.others: dict[int, Popen] = {}
        self.over = Event()
        self._words.unlink(missing_ok=True)  # of an earlier launch
        self.began = time()

    def start(self, rank: int, environment: Mapping[str, str]) -> None:
        """Start a rank of this machine from the frozen config of this very run.

        Lightning would run this process's command line again. In a sweep that is the whole sweep, in a pipeline the
        whole pipeline: each rank would train something else, all in one group.
        """
        report = _report(self.config, rank)
        report.unlink(missing_ok=True)
        program = str(Path(__file__).parents[1] / "__main__.py")
        command = [sys.executable, program, "_rank", str(self.config.absolute()), str(os.getpid())]
        self.others[rank] = Popen(command, env={**environment, "LOCAL_RANK": str(rank), REPORT: str(report)})

    def watch(self, report_failure: Callable[[Exception], int]) -> None:
        """Look after them from another thread: this one may come to wait for a rank that is no more."""
        Thread(target=self._watch, args=(report_failure,), daemon=True, name="ranks").start()

    def fail(self, error: Exception, report_failure: Callable[[Exception], int]) -> None:
        """End this process with that error if it does not get through its own clearing up."""

        def late() -> None:
            if not self.over.wait(LONG):
                self._end(lambda: self.cause(error), report_failure)

        Thread(target=late, daemon=True, name="failure").start()

    def cause(self, error: Exception) -> Exception:
        """What made this rank fail with `error`: itself, or the failure of another."""
        if isinstance(error, RankError):
            return error
        lost = isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in LOST)
        until = monotonic() + (LONG if lost else SOON)
        while self.others and not (failure := self._first()) and monotonic() < until and not self._all_ended():
            sleep(POLL / 4)
        if self.others and failure:
            return RankError(failure)
        rank = this_rank()
        if rank and lost:
            first = str(error).splitlines()[0]
            line = f"{rank} has lost another rank, which says why ({first})"
            return RankError(Failure(f"error: {line}\n", line, code=1, follows=True))
        if rank and f"on {rank}" not in getattr(error, "__notes__", ()):
            error.add_note(f"on {rank}")
        if rank and not self.others and REPORT not in os.environ:
            with suppress(OSError):  # what failed may be the disk
                self.config.parent.mkdir(parents=True, exist_ok=True)
                self._words.write_text(f"{time()} {rank}")
        return error

    def end(self, *, at_once: bool) -> None:
        """Wait for those that are about to leave, and leave none behind."""
        self.over.set()
        for rank, process in self.others.items():
            with suppress(TimeoutExpired):
                process.wait(0 if at_once else LONG)
            process.kill()
            process.wait()
            _report(self.config, rank).unlink(missing_ok=True)
        self.others = {}

    def _watch(self, report_failure: Callable[[Exception], int]) -> None:
        while not self.over.wait(POLL):
            if (failure := self._first()) and not self.over.wait(LONG) and self._first():  # none of an earlier launch
                self._end(lambda failure=failure: RankError(failure), report_failure)

    def _end(self, error: Callable[[], Exception], report_failure: Callable[[Exception], int]) -> None:
        """End the process, whatever its main thread waits for."""
        found = error()
        if not self.over.is_set():
            code = report_failure(found)
            self.end(at_once=True)
            sys.stdout.flush()
            os._exit(code)

    def _first(self) -> Failure | None:
        """The first that failed of itself.

        Of a rank that others have started it is only known that it failed: it speaks for itself.
        """
        if not self.others and REPORT not in os.environ and (failed := self._left()):
            line = f"{this_rank()} ends as {failed} has failed, which says why"
            return Failure(f"error: {line}\n", line, code=1, follows=True)
        reported = {rank: failure for rank in self.others if (failure := _reported(self.config, rank))}
        if own := [failure for failure in reported.values() if not failure.follows]:
            return min(own, key=lambda failure: failure.when)
        for rank, process in self.others.items():
            code = process.poll()
            if code and rank not in reported and code not in INTERRUPTED:
                return _unsaid(this_rank(rank), code)
        return None

    def _left(self) -> str | None:
        """The first rank that others have started and that failed; in files, as where some do not come to a group."""
        words = (path.read_text() for path in self.config.parent.glob(".rank-*-of-*-failed"))
        told = sorted(each.split(" ", 1) for each in words if " " in each)  # half written, it is seen the next time
        return next((rank for when, rank in told if float(when) > self.began - LATE and rank != this_rank()), None)

    @property
    def _words(self) -> Path:
        return self.config.with_name(f".{this_rank().replace(' ', '-')}-failed")

    def _all_ended(self) -> bool:
        return all(process.poll() is not None for process in self.others.values())


_launches: list[RankSupervisor] = []  # of the jobs that this process is in, the innermost last


def current_supervisor() -> RankSupervisor:
    """That of the job which is being called."""
    return _launches[-1]


@contextmanager
def launches(config: Path) -> Iterator[None]:
    """Let ranks be launched inside from the frozen `config` of this very run, and clean up after them.

    What is left in the environment would make the next job wait for ranks nobody starts, and a group that is left
    would have it take part in what is over.
    """
    grouped, launch, failed = in_group(), RankSupervisor(config), True
    environment = {name: os.environ.get(name) for name in LEFT_BEHIND}
    _launches.append(launch)
    try:
        yield
        if in_group() and not grouped:
            sys.modules["torch.distributed"].barrier()  # the other ranks are done as well
        failed = False
    except Exception as error:
        cause = launch.cause(error)
        if cause is error:
            raise
        raise cause from None
    except BaseException:  # interrupted, which all ranks are
        failed = False
        raise
    finally:
        if in_group() and not grouped:  # also of a job that failed, or the next would be part of its group
            sys.modules["torch.distributed"].destroy_process_group()
        launch.end(at_once=failed)
        _launches.remove(launch)
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def report(failure: Failure) -> bool:
    """Leave the words of this rank to the process that launched it, unless it left some before; False without one."""
    if REPORT not in os.environ:
        return False
    if not (path := Path(os.environ[REPORT])).exists():
        write_atomically(path, json.dumps({**asdict(failure), "when": time()}))
    return True


def _report(config: Path, rank: int) -> Path:
    return config.absolute().with_name(f".rank-{rank}-failed.json")


def _reported(config: Path, rank: int) -> Failure | None:
    try:
        return Failure(**json.loads(_report(config, rank).read_bytes()))
    except FileNotFoundError:
        return None


def _unsaid(rank: str, code: int) -> Failure:
    """Of a rank that ended without a word."""
    line = f"{rank} ended with code {code}, and without a word"
    if code < 0:
        name = Signals(-code).name
        memory = ", as the system does where memory runs out" if name == "SIGKILL" else ""
        line = f"{rank} was killed by {name}{memory}; the same command goes on from what was saved"
    return Failure(f"error: {line}\n", line, code=code if code > 0 else 128 - code)

"""Start the ranks of a machine, end them all when one fails, and report the first failure.

When a rank fails, the others fail too, or wait for it inside a library that no exception reaches. Their messages are
consequences. So the process that launched the ranks watches them, reports the first failure only, and ends the job in
less than half a minute with no process left.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import Signals
from subprocess import Popen, TimeoutExpired
from threading import Event, Thread
from time import monotonic, sleep, time

from lm.process.failure import REPORT, Failure, RankError, report_failure
from lm.process.ranks import in_group, this_rank

# Set by Lightning's launcher in the environment of the launching process.
LAUNCH_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
# Parts of the errors that torch.distributed raises on a rank that has lost another.
LOST_PEER = (
    "onnection closed by peer",
    "onnection reset by peer",
    "roken pipe",
    "NCCL communicator was aborted",
    "TCPStore",
)
POLL, SHORT_WAIT, LONG_WAIT = 0.2, 1.0, 10.0  # seconds
START_SPREAD = 60.0  # seconds between the starts of ranks that others start, differences of clocks included
SIGNAL_CODES = range(128, 256)  # exit codes of a rank that a signal ended before training, or a second Ctrl-C


class RankSupervisor:
    """The other ranks of a job on this machine, if this process starts them.

    Args:
        config: The frozen config of the run, `config.json` in its directory; each rank starts from it.
    """

    def __init__(self, config: Path):
        self.config = config
        self.others: dict[int, Popen] = {}
        self.over = Event()
        with suppress(OSError):  # nothing can be removed from a read-only disk, where a complete run may lie
            self._marker.unlink()  # of an earlier launch
        self.started_at = time()

    def start(self, rank: int, environment: Mapping[str, str]) -> None:
        """Start a local rank from the frozen config of this run.

        Lightning would run this process's command line again: in a sweep the whole sweep, in a pipeline the whole
        pipeline, so each rank would train something else in the same process group.
        """
        report = _report(self.config, rank)
        report.unlink(missing_ok=True)
        program = str(Path(__file__).parents[1] / "__main__.py")
        command = [sys.executable, program, "_rank", str(self.config.absolute()), str(os.getpid())]
        self.others[rank] = Popen(command, env={**environment, "LOCAL_RANK": str(rank), REPORT: str(report)})

    def watch(self) -> None:
        """Watch the ranks in a thread: the main thread may wait for a rank that has exited."""
        Thread(target=self._watch, daemon=True, name="ranks").start()

    def exit_if_stuck(self, error: Exception) -> None:
        """End this process with `error` if its own cleanup does not finish within LONG_WAIT."""

        def wait() -> None:
            if not self.over.wait(LONG_WAIT):
                self._exit(lambda: self.cause(error))

        Thread(target=wait, daemon=True, name="failure").start()

    def cause(self, error: Exception) -> Exception:
        """The failure behind `error`: that of another rank, or `error` itself with this rank noted."""
        if isinstance(error, RankError):
            return error
        lost = isinstance(error, RuntimeError | OSError) and any(text in str(error) for text in LOST_PEER)
        until = monotonic() + (LONG_WAIT if lost else SHORT_WAIT)
        while self.others and not (failure := self._first_failure()) and monotonic() < until and not self._all_exited():
            sleep(POLL / 4)
        if self.others and failure:
            return RankError(failure)
        rank = this_rank()
        if rank and lost:
            first = str(error).splitlines()[0]
            return RankError(_follower(f"{rank} has lost another rank, which reports why ({first})"))
        if rank and f"on {rank}" not in getattr(error, "__notes__", ()):
            error.add_note(f"on {rank}")
        if rank and not self.others and REPORT not in os.environ:
            with suppress(OSError):  # the disk may be what failed
                self.config.parent.mkdir(parents=True, exist_ok=True)
                self._marker.write_text(f"{time()} {rank}")
        return error

    def end(self, *, at_once: bool) -> None:
        """Wait for ranks that are about to exit, and kill the rest."""
        self.over.set()
        for rank, process in self.others.items():
            with suppress(TimeoutExpired):
                process.wait(0 if at_once else LONG_WAIT)
            process.kill()
            process.wait()
            _report(self.config, rank).unlink(missing_ok=True)
        self.others = {}

    def _watch(self) -> None:
        while not self.over.wait(POLL):
            # the second look skips a marker of an earlier launch
            if (failure := self._first_failure()) and not self.over.wait(LONG_WAIT) and self._first_failure():
                self._exit(lambda failure=failure: RankError(failure))

    def _exit(self, cause: Callable[[], Exception]) -> None:
        """End the process, whatever its main thread waits for."""
        error = cause()
        if not self.over.is_set():
            code = report_failure(error)
            self.end(at_once=True)
            sys.stdout.flush()
            os._exit(code)

    def _first_failure(self) -> Failure | None:
        """The earliest failure that is no consequence of another.

        Of ranks that Slurm or torchrun started only the fact is known; each reports its failure itself.
        """
        if not self.others and REPORT not in os.environ and (failed := self._failed_elsewhere()):
            return _follower(f"{this_rank()} ends because {failed} has failed, which reports why")
        reported = {rank: failure for rank in self.others if (failure := _reported(self.config, rank))}
        if own := [failure for failure in reported.values() if not failure.follows]:
            return min(own, key=lambda failure: failure.when)
        for rank, process in self.others.items():
            code = process.poll()
            if code and rank not in reported and code not in SIGNAL_CODES:
                return _unreported(this_rank(rank), code)
        return None

    def _failed_elsewhere(self) -> str | None:
        """The first failed rank that others started, by marker files: some ranks may never join a process group."""
        texts = (path.read_text() for path in self.config.parent.glob(".rank-*-of-*-failed"))
        marks = sorted(text.split(" ", 1) for text in texts if " " in text)  # a half-written one counts next time
        since = self.started_at - START_SPREAD
        return next((rank for when, rank in marks if float(when) > since and rank != this_rank()), None)

    @property
    def _marker(self) -> Path:
        return self.config.with_name(f".{this_rank().replace(' ', '-')}-failed")

    def _all_exited(self) -> bool:
        return all(process.poll() is not None for process in self.others.values())


@contextmanager
def supervised_ranks(config: Path) -> Iterator[RankSupervisor]:
    """Give a supervisor that may start ranks from the frozen `config`, and clean up after them.

    Variables left in the environment would make the next job wait for ranks that nobody starts; a process group left
    open would include it in a job that is over.
    """
    grouped, supervisor, failed = in_group(), RankSupervisor(config), True
    environment = {name: os.environ.get(name) for name in LAUNCH_VARIABLES}
    try:
        yield supervisor
        if in_group() and not grouped:
            sys.modules["torch.distributed"].barrier()  # the other ranks are done as well
        failed = False
    except Exception as error:
        cause = supervisor.cause(error)
        if cause is error:
            raise
        raise cause from None
    except BaseException:  # an interruption, which all ranks receive
        failed = False
        raise
    finally:
        if in_group() and not grouped:  # after a failure too, or the next job would be part of its group
            sys.modules["torch.distributed"].destroy_process_group()
        supervisor.end(at_once=failed)
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _report(config: Path, rank: int) -> Path:
    return config.absolute().with_name(f".rank-{rank}-failed.json")


def _reported(config: Path, rank: int) -> Failure | None:
    try:
        return Failure(**json.loads(_report(config, rank).read_bytes()))
    except FileNotFoundError:
        return None


def _follower(line: str) -> Failure:
    return Failure(f"error: {line}\n", line, code=1, follows=True)


def _unreported(rank: str, code: int) -> Failure:
    """The failure of a rank that exited without a report."""
    line = f"{rank} exited with code {code} and no report"
    if code < 0:
        name = Signals(-code).name
        memory = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        line = f"{rank} was killed by {name}{memory}; run the same command again to resume from the last checkpoint"
    return Failure(f"error: {line}\n", line, code=code if code > 0 else 128 - code)

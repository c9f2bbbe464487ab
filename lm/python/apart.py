"""A job with several ranks, run in a process of its own.

The first rank may wait inside a library for a rank that has failed, from where only the end of its process leads out. A
caller's process must not end, so that it is not the first rank.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lm.hardware.compute import count_devices
from lm.process.failure import MISTAKE
from lm.process.signal_support import APART, ask_to_stop
from lm.process.signals import Interrupted
from lm.python.refusal import RefusedError
from lm.sweep.job import Job, read_outcome, write_job

LAST_WORDS = 40  # lines of the output that an error has
SIGNALLED = 128  # exit codes above are 128 + a signal


def ranks_here(node: Any) -> int:
    """The most ranks that a trainer in the config of a job starts on this machine; 1 without a trainer."""
    if isinstance(node, list):
        return max(map(ranks_here, node), default=1)
    if not isinstance(node, dict):
        return 1
    most = max(map(ranks_here, node.values()), default=1)
    trainer = node.get("trainer")
    if isinstance(trainer, dict) and {"accelerator", "devices"} <= trainer.keys():
        return max(most, count_devices(trainer["accelerator"], trainer["devices"]))
    return most


def run_apart(node: Mapping[str, Any], words: Sequence[str]) -> Any:
    """Run a job in another process, print what it prints, and return what it returned: plain data.

    Args:
        node: The checked config of the job.
        words: The command, for the record of the run.

    Raises:
        RefusedError: The job refuses what it was given.
        Interrupted: It was interrupted. KeyboardInterrupt here is passed on, and the job saves.
        RuntimeError: A bug, or its process was killed; with the last lines that it printed.
    """
    job = Job("", [], "", dict(node), command=shlex.join(words))
    with TemporaryDirectory(prefix="lm-") as folder:
        file = Path(folder, "job.json")
        write_job(job, file)
        with _started([sys.executable, "-m", "lm", "_job", str(file), str(os.getpid())]) as process:
            said = _forwarded(process)
        code = process.returncode
        outcome = read_outcome(job, file, code=SIGNALLED - code if code < 0 else code or 1, error="")
    if not outcome.code:
        return outcome.value
    last = next((line for line in reversed(said) if line.strip()), "")
    if code > SIGNALLED and not outcome.error:
        raise Interrupted(code - SIGNALLED, last.partition(";")[0].strip())
    if outcome.code == MISTAKE and outcome.error:
        raise RefusedError(outcome.error)
    end = "".join(said[-LAST_WORDS:])
    raise RuntimeError(f"{outcome.error or f'the process of the job ended with code {outcome.code}'}\n{end}")


def _forwarded(process: subprocess.Popen[str]) -> list[str]:
    """Print what a process prints until it ends, and return its lines. An interruption is passed on to it."""
    said: list[str] = []
    while True:
        try:
            for line in process.stdout:
                said.append(line)
                print(line, end="", flush=True)
            process.wait()
            return said
        except KeyboardInterrupt:  # it saves, and ends; a second one ends it at once
            with suppress(ProcessLookupError):
                ask_to_stop(process, signal.SIGINT)


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process outside the group of this one, which gets signals of its own; it has ended afterwards."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, **streams, text=True, errors="replace", **APART)
    try:
        with process.stdout:
            yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()

"""The signals that this system has: Windows lacks SIGHUP, SIGUSR1 and masks, and has SIGBREAK (Ctrl-Break)."""

import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen

# Those that end a job besides Ctrl-C. A terminal that closes sends SIGHUP, Slurm SIGUSR1 before its time limit.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGHUP", "SIGBREAK") if name in dir(signal))
ANNOUNCED = signal.SIGUSR1 if "SIGUSR1" in dir(signal) else None  # the time limit is near
# Arguments of Popen for a process that does not get the terminal's Ctrl-C, but what `ask_to_stop` sends.
APART = {"creationflags": 0x200} if os.name == "nt" else {"start_new_session": True}  # CREATE_NEW_PROCESS_GROUP
IN_GROUP = APART if os.name == "nt" else {}  # the same, where the terminal's Ctrl-C may reach it as well


def block(numbers: Iterable[int]) -> None:
    """Hold signals back in this thread; without effect where the system has no masks."""
    if "pthread_sigmask" in dir(signal):
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)


def unblock(numbers: Iterable[int]) -> None:
    """Let signals arrive in this thread, also those that were held back."""
    if "pthread_sigmask" in dir(signal):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def ask_to_stop(process: "Popen", number: int) -> None:
    """Send a signal to a process; on Windows, which would end it at once, Ctrl-Break, on which jobs save too."""
    process.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else number)

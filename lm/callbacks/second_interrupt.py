"""The second Ctrl-C ends a process at once, wherever Python is held up."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def ended_by_second_interrupt() -> Iterator[None]:
    """Inside, the second SIGINT ends this process with 130; what the first does is its handler's affair.

    Python's handlers wait for the main thread to come back to Python, which it does not from a collective that another
    rank has not joined. So a thread counts, told by the byte that Python writes for each signal as it comes. It takes
    SIGINT also where the main thread holds it back. Files are renamed into place, so none tears.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    Thread(target=_count, args=(reader,), daemon=True).start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # which ends the thread


def _count(reader: int) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    interrupts = 0
    while came := os.read(reader, 1):
        interrupts += came[0] == signal.SIGINT
        if interrupts == 2:
            os._exit(128 + signal.SIGINT)
    os.close(reader)


def _forget() -> None:
    """A data worker has the pipe too; the same Ctrl-C, told by several, would count several times."""
    signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_forget)

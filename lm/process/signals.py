"""Signals end a command in words and with 128 + their number, whatever its main thread is doing.

Before a job starts there is nothing to unwind, and an exception raised amid an import or a composition may be swallowed
or turned into another: the process exits at once. A job unwinds, so that it removes temporary files and ends its
workers. Training saves first; see `lm.callbacks.interruption`. A job within a process of the caller's, such as that of
a notebook, only ever raises.
"""

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, Thread, Timer
from time import monotonic
from typing import NoReturn

from lm.process.command import shell_line
from lm.process.ranks import is_first_process
from lm.process.signal_support import SIGNALS, unblock

GRACE = 5.0  # seconds that the main thread may spend in C before a signal ends it from another thread
APART = 1.0  # seconds: two signals closer than this are one, which several processes sent; Ctrl-C is a person's
RESTART = re.compile(r"\+*([\w.]+\.)?restart=")


class Interrupted(BaseException):
    """A signal ended the run after it saved. Not an Exception, so that a sweep does not continue with its next job."""

    def __init__(self, signal_number: int, message: str):
        super().__init__(signal_number, message)
        self.signal_number = signal_number
        self.message = message


class _Process:
    """What this process does on a signal; there is one handler per process, so the state is the module's."""

    at_once = False  # whether nothing has to be unwound
    guest = False  # whether the process is the caller's: a signal may end the job, and never the process
    handled = 0.0  # when the main thread saw the last signal, by the monotonic clock
    arguments: Sequence[str] | None = None  # of the command line
    arrived: list[tuple[int, float]] = []  # noqa: RUF012
    leaving = Lock()


def ends_process(number: int) -> bool:
    """Return whether a signal is ours to handle: nohup has SIGHUP ignored."""
    return not (signal.Signals(number).name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN)


def on_signal(number: int, frame: object) -> NoReturn:
    """Exit at once, or raise in the main thread."""
    _Process.handled = monotonic()
    if _Process.at_once:
        leave(number, "interrupted")
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Interrupted(number, "interrupted")


def end_in_words(arguments: Sequence[str]) -> None:
    """From here on, a signal ends this process in words; called before anything else is imported."""
    _Process.at_once, _Process.arguments = True, arguments
    for number in (signal.SIGINT, *filter(ends_process, SIGNALS)):
        signal.signal(number, on_signal)
    _start_thread(_force)


def ignore_signals() -> None:
    """From here on, signals change nothing: the command has ended, and its exit code is known."""
    for number in (signal.SIGINT, *SIGNALS):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def unwinding() -> Iterator[None]:
    """Within a job a signal raises, so that the job cleans up."""
    before, _Process.at_once = _Process.at_once, False
    try:
        yield
    finally:
        _Process.at_once = before


@contextmanager
def in_process_of_caller() -> Iterator[None]:
    """Jobs within run in a process that is not theirs, such as that of a notebook: a signal ends the job alone."""
    before, _Process.guest = _Process.guest, True
    try:
        yield
    finally:
        _Process.guest = before


def owns_process() -> bool:
    """Whether the process is that of the job, which a signal may end."""
    return not _Process.guest


def can_catch_signals() -> bool:
    """Whether this thread may set handlers: Python allows it in the main thread only."""
    return threading.current_thread() is threading.main_thread()


def forget_signals() -> None:
    """Ctrl-C was answered, as by ending a reply: the next one is the first again."""
    _Process.arrived.clear()


def leave(number: int, state: str) -> NoReturn:
    """Say what the state is and end the process, from any thread. Files are renamed into place, so none is torn."""
    _Process.leaving.acquire()  # never released: another thread must not speak too
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, (_last_words(state)).encode(errors="replace"))
    os._exit(exit_code(number))


def exit_code(number: int) -> int:
    """128 + the signal; 0 on other ranks, as their launcher would kill the first rank, which may still be saving."""
    return 128 + number if is_first_process() else 0


def print_last_words(state: str, arguments: Sequence[str]) -> None:
    """Print the state and the command that resumes: the same without `restart`, which would start again."""
    _Process.arguments = arguments
    print(_last_words(state), end="", file=sys.stderr)


def _last_words(state: str) -> str:
    arguments = _Process.arguments
    if arguments is None or [*arguments[:1]] == ["_job"]:
        return f"\n{state}\n"
    if not is_first_process():
        return ""
    again = [word for word in arguments if not RESTART.match(word)]
    which = "the same command again" if again == [*arguments] else "the command without restart"
    return f"\n{state}; run {which} to resume: {shell_line(['lm', *again])}\n"


def interruption_behind(error: BaseException) -> BaseException | None:
    """Return the interruption that `error` hides, as one raised by a cleanup that it broke off does."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, KeyboardInterrupt | Interrupted):
            return error
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def is_repeated(number: int, arrived: list[tuple[int, float]]) -> bool:
    """Note a signal, and return whether it repeats an earlier one: a second Ctrl-C, or another one a second later."""
    arrived.append((number, monotonic()))
    interrupts = sum(each == signal.SIGINT for each, _ in arrived)
    return (number == signal.SIGINT and interrupts > 1) or arrived[-1][1] - arrived[0][1] > APART


@contextmanager
def on_arrival(act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` with the number of each signal that arrives in the context, in a thread.

    Python runs handlers only when the main thread returns to Python, which it does not while it waits in a collective
    that another rank has not joined, or tokenizes a whole corpus. The thread reads the byte that Python writes for each
    signal on arrival, also while the main thread blocks it.
    """
    stop = _start_thread(act)
    try:
        yield
    finally:
        stop()


def _start_thread(act: Callable[[int], None]) -> Callable[[], None]:
    """Start the thread and return the function that ends it."""
    reader, writer = os.pipe()
    if os.name != "nt":
        os.set_blocking(writer, False)
    Thread(target=_read_signals, args=(reader, act), daemon=True, name="signals").start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def stop() -> None:
        signal.set_wakeup_fd(before)
        os.close(writer)  # which ends the thread

    return stop


def _read_signals(reader: int, act: Callable[[int], None]) -> None:
    unblock((signal.SIGINT, *SIGNALS))
    while number := os.read(reader, 1):
        if number[0] in (signal.SIGINT, *SIGNALS):
            act(number[0])
    os.close(reader)


def _force(number: int) -> None:
    """End the process for a repeated signal, or one that the main thread does not see for GRACE seconds."""
    if signal.getsignal(number) == signal.SIG_IGN:
        return
    if is_repeated(number, _Process.arrived):
        leave(number, "interrupted twice, so nothing more was saved")
    since = monotonic() - APART  # the main thread may have seen it before this thread did
    timer = Timer(GRACE, lambda: _Process.handled > since or leave(number, "interrupted"))
    timer.daemon = True
    timer.start()


# A forked data worker shares the pipe; one Ctrl-C written by several processes would count several times.
if "register_at_fork" in dir(os):  # not on Windows, where no process is forked
    os.register_at_fork(
        after_in_child=lambda: signal.set_wakeup_fd(-1) if can_catch_signals() else None,
    )

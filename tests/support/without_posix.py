"""Take from this process what Windows and macOS do not have, and run the command line.

`python without_posix.py ARGUMENTS` is `lm ARGUMENTS` without fcntl, resource, forks, masks of signals and the signals
that Windows lacks; msvcrt locks a byte as that of Windows does.
"""

import fcntl
import os
import signal
import sys
from types import ModuleType

MODULES = ("fcntl", "resource", "termios", "pwd", "grp", "readline")
SYSTEM = ("fork", "register_at_fork", "getuid", "sysconf", "sched_getaffinity", "sched_setaffinity", "killpg")
SIGNALS = ("SIGUSR1", "SIGUSR2", "SIGHUP", "pthread_sigmask")


def locking(number: int, mode: int, count: int) -> None:
    """Lock or unlock bytes from the position on, or raise OSError, as Microsoft's C library does."""
    kind = fcntl.LOCK_UN if mode == msvcrt.LK_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB
    fcntl.lockf(number, kind, count, 0, os.SEEK_CUR)


msvcrt = ModuleType("msvcrt")
msvcrt.LK_UNLCK, msvcrt.LK_NBLCK, msvcrt.locking = 0, 2, locking


def take_away() -> None:
    """Remove the modules and names from this process."""
    sys.modules.update(dict.fromkeys(MODULES), msvcrt=msvcrt)
    register = os.register_at_fork
    for module, names in {os: SYSTEM, signal: SIGNALS}.items():
        for name in names:
            delattr(module, name)
    import lm.file_lock

    del sys.modules["msvcrt"]  # by which other libraries tell Windows
    import lm.directory.lock
    import lm.process.signals  # noqa: F401

    os.register_at_fork = register  # which torch calls wherever sys.platform is not that of Windows


if __name__ == "__main__":
    take_away()
    from lm.__main__ import start

    start()

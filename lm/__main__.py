"""`lm` as a process: the installed command, `python -m lm`, and by path, as other ranks start."""

import gc
import sys
from pathlib import Path
from typing import NoReturn

if not __package__:
    # Started by path: Python put lm/ itself on sys.path, where its files would shadow other modules.
    sys.path[0:1] = []
    sys.path.append(str(Path(__file__).parents[1]))

from lm.process.signals import end_in_words, ignore_signals

COLLECT_EVERY = 30_000  # new objects between two garbage collections; Python's default is 700 to 2000


def start() -> NoReturn:
    """Run the command line and exit with its code.

    Hundreds of thousands of objects of torch, Lightning and Hydra live as long as the process. Collecting garbage among
    them less often, and not at exit, saves more than a second of a job that imports them.
    """
    end_in_words(sys.argv[1:])  # also while the rest is imported
    gc.set_threshold(COLLECT_EVERY)
    from lm.cli.main import main

    try:
        code = main()
        ignore_signals()
        sys.exit(code)
    finally:
        gc.freeze()


if __name__ == "__main__":
    start()

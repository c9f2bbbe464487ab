"""`lm` as a process of its own: the command, `python -m lm`, and by path, as Lightning starts the other ranks."""

import gc
import sys
from pathlib import Path
from typing import NoReturn

if not __package__:
    # Python put lm/ itself on the path, where our files would stand in for other people's modules.
    sys.path[0:1] = []
    sys.path.append(str(Path(__file__).parents[1]))

from lm.cli.main import main

OBJECTS = 30_000  # new ones, before the collector looks for garbage among them; Python's own number is 700 to 2000


def start() -> NoReturn:
    """Do what the command line says and exit with its code.

    Hundreds of thousands of objects of torch, Lightning and Hydra live as long as the process: garbage is looked for
    among them more seldom, and not at all at the end. That takes more than a second off a job that imports them.
    """
    gc.set_threshold(OBJECTS)
    try:
        sys.exit(main())
    finally:
        gc.freeze()


if __name__ == "__main__":
    start()

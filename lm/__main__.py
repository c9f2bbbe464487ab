"""`python -m lm`, and by path: that is how Lightning starts the other ranks of a run."""

import sys
from pathlib import Path

if not __package__:
    # Python put lm/ itself on the path, where our files would stand in for other people's modules.
    sys.path[0:1] = []
    sys.path.append(str(Path(__file__).parents[1]))

from lm.cli import main

sys.exit(main())

"""`lm` from Python: models to talk to, jobs to run, and the runs that there are."""

from lm.python.jobs import FinishedRun, run
from lm.python.listing import ListedRun, runs
from lm.python.model import Model, TokenScore, load
from lm.python.refusal import RefusedError

__all__ = ["FinishedRun", "ListedRun", "Model", "RefusedError", "TokenScore", "load", "run", "runs"]

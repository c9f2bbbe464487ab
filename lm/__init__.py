"""From raw text to an aligned chat model with one command line and one config language.

`lm.load` opens a trained or published model, `lm.run` runs a job as the command does, `lm.runs` lists runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm.python import FinishedRun, ListedRun, Model, RefusedError, TokenScore, load, run, runs

__all__ = ["FinishedRun", "ListedRun", "Model", "RefusedError", "TokenScore", "load", "run", "runs"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: `import lm` loads neither torch nor Hydra."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("lm.python"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

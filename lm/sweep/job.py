"""One job of a sweep and what became of it: plain data, so that any process may carry it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from lm.run import Interrupted


@dataclass(frozen=True)
class Job:
    """A job with its config made plain; `overrides` are those that tell it from the others."""

    name: str
    overrides: list[str]
    directory: str  # "" where the job has no run
    node: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a job: what it returned, or the exit code and why; raised, Hydra would tell it in its words."""

    name: str
    overrides: list[str]
    directory: str
    value: Any = None
    code: int = 0
    error: str = ""
    pruned_at: int | None = None  # step; the value is that of the validation there

    @property
    def number(self) -> float | None:
        """What sweeps compare: the value where it is one number."""
        return float(self.value) if isinstance(self.value, int | float) and not isinstance(self.value, bool) else None


class Pruned(Interrupted):
    """A job of a search has saved and ended early, since others promise more. Ranks leave as upon a signal."""

    def __init__(self, value: float, *, step: int, steps: int):
        super().__init__(0, f"pruned at step {step} of {steps}")
        self.value, self.step = value, step


def sweep_name(overrides: Sequence[str]) -> str:
    """What tells one run of a sweep from the others, as one name for a directory; no two share it.

    The price: `/` is written %2F, since it would make directories, and any other sign for it may be in a value.
    """
    telling = [each for each in overrides if not each.lstrip("+~").startswith("run.")]
    name = ",".join(telling).replace("%", "%25").replace("/", "%2F")
    if len(name.encode()) <= 150:
        return name
    return f"{name[:50]}…{blake2b(name.encode(), digest_size=4).hexdigest()}"

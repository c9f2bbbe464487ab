"""The minutes of a pipeline, divided among the stages that train."""

from collections.abc import Callable, Mapping
from time import perf_counter

from lm.report.table import elapsed

TOLERANCE = 0.05  # share of the minutes by which the stages may take longer before the last line says so


class Shares:
    """Divide what is left of the minutes by the shares of the stages that are to come.

    A stage that ends early leaves its time to the next ones. One that takes longer than its share takes nothing from
    them: each keeps its share of what was left when the first stage started, and the whole ends later.

    Args:
        minutes: Minutes of all stages, from now on.
        shares: Stage → its share of what is left when the first of them begins, in order; the rest of 1 is for what
            follows them.
        clock: Seconds that pass.
    """

    def __init__(self, minutes: float, shares: Mapping[str, float], *, clock: Callable[[], float] = perf_counter):
        self._minutes, self._shares, self._clock = minutes, dict(shares), clock
        self._started_at = clock()
        self._whole: float | None = None  # minutes left when the first stage started

    @property
    def seconds(self) -> float:
        """Time so far."""
        return self._clock() - self._started_at

    def minutes(self, stage: str) -> float:
        """Return the minutes of the stage, if it begins now."""
        left = max(0.0, self._minutes - self.seconds / 60)
        if self._whole is None:
            self._whole = left
        stages = [*self._shares]
        to_come = 1.0 - sum(self._shares[each] for each in stages[: stages.index(stage)])
        return self._shares[stage] * max(left / to_come, self._whole)

    def describe(self) -> str:
        """Return the time so far in words, and how it compares with the minutes where it is longer."""
        over = self.seconds - 60 * self._minutes
        if over <= TOLERANCE * 60 * self._minutes:
            return elapsed(self.seconds)
        return f"{elapsed(self.seconds)}, {elapsed(over)} more than minutes={self._minutes:g}"

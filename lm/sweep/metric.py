"""A number that a job returns, with what it measures and whether more or less of it is better."""

from collections.abc import Sequence
from typing import Literal, Self

Mode = Literal["min", "max"]
Direction = Literal["minimize", "maximize"]

DIRECTIONS: dict[Mode, Direction] = {"min": "minimize", "max": "maximize"}


class Metric(float):
    """A number that sweeps and searches compare. A plain float is a metric without a name, of which less is better.

    Args:
        value: The number.
        name: What it measures, such as `validation/rewards/accuracies`.
        mode: Whether the lowest or the highest value is the best: min or max.

    Raises:
        ValueError: The mode is neither min nor max.
    """

    name: str
    mode: Mode

    def __new__(cls, value: float, *, name: str = "", mode: Mode = "min") -> Self:
        if mode not in DIRECTIONS:
            raise ValueError(f"mode={mode!r} of the metric {name}: must be min or max")
        metric = super().__new__(cls, value)
        metric.name, metric.mode = name, mode
        return metric

    def __getnewargs_ex__(self) -> tuple[tuple[float], dict[str, str]]:
        return (float(self),), {"name": self.name, "mode": self.mode}


def one_direction(metrics: Sequence[tuple[str, Mode]]) -> Direction | None:
    """The direction in which the jobs of a search compare; None if no job has returned a metric with a name.

    Args:
        metrics: Name and mode of the metric that each job returned.

    Raises:
        ValueError: The jobs return different metrics, so that none of them is the best.
    """
    different = [*dict.fromkeys(metrics)]
    if len(different) > 1:
        named = ", ".join(f"{name} ({mode})" for name, mode in different)
        raise ValueError(
            f"the jobs of this search return different metrics: {named}: search over jobs of one metric, or sweep "
            "without hydra/sweeper=optuna, which ranks each metric by itself"
        )
    return DIRECTIONS[different[0][1]] if different else None

"""Curves of a run: which metrics belong into one chart, and few enough points to draw without losing a peak."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lm.report.run.facts import Points

MOST_POINTS = 2000  # of a curve; a screen has fewer columns
FIRST = (
    "loss",
    "bits_per_byte",
    "accuracy",
    "reward",
    "learning_rate",
    "gradient_norm",
    "tokens_per_second",
    "share_of_peak",
)
TITLES = {
    "loss": "loss (nats per token)",
    "bits_per_byte": "bits per byte",
    "learning_rate": "learning rate",
    "gradient_norm": "gradient norm, before clipping",
    "tokens_per_second": "tokens per second",
    "share_of_peak": "share of the machine's peak (MFU)",
}
EXACT = {"learning_rate"}  # set, not measured: nothing to smooth
COUNTS = {"tokens"}  # metrics that grow with the step and nothing else: an axis, not a curve


def charts(metrics: Mapping[str, Points]) -> list[dict[str, Any]]:
    """Return one chart per quantity, with a curve per split and source: title and curves, each with steps and values.

    A metric is named `split/quantity` or `split/quantity/source`; those of one quantity share a chart.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (steps, values) in metrics.items():
        split, _, rest = name.partition("/")
        quantity, _, source = rest.partition("/")
        if quantity in COUNTS:
            continue
        label = f"{split}, {source}" if source else split
        kept = thinned(steps, values)
        curve = {"label": label, "steps": [steps[at] for at in kept], "values": [rounded(values[at]) for at in kept]}
        found.setdefault(quantity or split, []).append(curve)
    order = sorted(found, key=place_of)
    return [
        {"title": TITLES.get(each, each.replace("_", " ")), "noisy": each not in EXACT, "curves": found[each]}
        for each in order
    ]


def rounded(value: float) -> float:
    """Return the value to six digits, which no screen resolves and which halve the page."""
    return float(f"{value:.6g}")


def place_of(quantity: str) -> int:
    """Return the place of a quantity among the charts: the loss comes first, what no table names comes last."""
    return FIRST.index(quantity) if quantity in FIRST else len(FIRST)


def tokens_per_step(metrics: Mapping[str, Points]) -> float | None:
    """Return the tokens of a step, by which an axis of steps becomes one of tokens; None where they are not logged."""
    steps, tokens = metrics.get("train/tokens", ([], []))
    return tokens[-1] / steps[-1] if steps and steps[-1] else None


def thinned(steps: Sequence[int], values: Sequence[float], most: int = MOST_POINTS) -> list[int]:
    """Return the places of at most `most` points that keep the first, the last, and the extremes of every stretch."""
    if len(steps) <= most:
        return [*range(len(steps))]
    stretches = most // 2 - 1
    return sorted({0, len(steps) - 1, *_extremes(values, stretches)})


def _extremes(values: Sequence[float], stretches: int) -> Iterator[int]:
    count = len(values)
    for number in range(stretches):
        part = range(number * count // stretches, (number + 1) * count // stretches)
        yield min(part, key=values.__getitem__)
        yield max(part, key=values.__getitem__)

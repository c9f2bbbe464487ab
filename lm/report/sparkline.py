"""A curve in one line of text, for those without a browser."""

from collections.abc import Sequence

LEVELS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], *, width: int = 40) -> str:
    """Return a line of at most `width` characters, each as high as the mean of its stretch of `values`."""
    count = min(width, len(values))
    stretches = [values[number * len(values) // count : (number + 1) * len(values) // count] for number in range(count)]
    means = [sum(stretch) / len(stretch) for stretch in stretches]
    low, high = min(means, default=0.0), max(means, default=0.0)
    step = (high - low) / (len(LEVELS) - 1) or 1.0
    return "".join(LEVELS[round((mean - low) / step)] for mean in means)

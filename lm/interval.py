"""How sure a measured share is."""

from math import sqrt


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """95 % confidence interval of a proportion (Wilson 1927): reliable for few trials and proportions near 0 and 1.

    Without trials it is everything, 0 to 1.
    """
    if not trials:
        return 0.0, 1.0
    z = 1.959964
    middle, square = successes / trials + z * z / (2 * trials), z * z / trials
    half = z * sqrt(successes / trials * (1 - successes / trials) / trials + square / (4 * trials))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))

"""The learning rate as a pure function of (step, steps): nothing to save, nothing to restore.

Each function gives the factor on the peak rate for step 0 … steps-1. `warmup` and `decay` are shares of the run,
so that a schedule stays right when the budget changes.
"""

from math import cos, pi

from lm.bounds import Share


def _warm(step: int, steps: int, warmup: Share) -> float:
    """Linear from just above 0 to 1; 1 once the warm-up is over."""
    return min(1.0, (step + 1) / max(1.0, warmup * steps))


def constant(step: int, steps: int, *, warmup: Share = 0.0) -> float:
    """Warm up, then stay: for tuning runs short enough that a decay says little."""
    return _warm(step, steps, warmup)


def cosine(step: int, steps: int, *, warmup: Share = 0.01, minimum: Share = 0.1) -> float:
    """Warm up, then half a cosine down to `minimum` (Loshchilov and Hutter 2017); tied to one budget."""
    start = warmup * steps
    done = min(1.0, max(0.0, (step + 1 - start) / max(1.0, steps - start)))
    return _warm(step, steps, warmup) * (minimum + (1 - minimum) * (1 + cos(pi * done)) / 2)


def warmup_stable_decay(
    step: int, steps: int, *, warmup: Share = 0.01, decay: Share = 0.2, minimum: Share = 0.0
) -> float:
    """Warm up, hold, then fall linearly over the last `decay` of the run (Hu et al. 2024, Hägele et al. 2024).

    As good as cosine, and the held part can be continued with a larger budget.
    """
    left = (steps - step) / max(1.0, decay * steps)
    return _warm(step, steps, warmup) * (minimum + (1 - minimum) * min(1.0, left))

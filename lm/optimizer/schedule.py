"""The learning rate of a step, as a pure function of (step, steps): no state to save or restore.

Each function returns the factor on the peak rate at step 0 … steps - 1: the learning rate of step s is
`optimizer.learning_rate × schedule(s, steps)`. `warmup` and `decay` are shares of the run, so that a schedule stays
right if the budget changes.
"""

from math import cos, pi

from lm.bounds import Share


def _warmup(step: int, steps: int, warmup: Share) -> float:
    """Return the linear warm-up: from just above 0 to 1, then 1."""
    return min(1.0, (step + 1) / max(1.0, warmup * steps))


def constant(step: int, steps: int, *, warmup: Share = 0.0) -> float:
    """Warm up, then hold: for fine-tuning runs too short to gain from a decay.

    Args:
        step: Optimizer step, from 0.
        steps: Steps of the run.
        warmup: Share of the run in which the rate rises linearly.
    """
    return _warmup(step, steps, warmup)


def cosine(step: int, steps: int, *, warmup: Share = 0.01, minimum: Share = 0.1) -> float:
    """Warm up, then half a cosine (Loshchilov and Hutter 2017); fits one budget, and cannot be continued.

    Args:
        step: Optimizer step, from 0.
        steps: Steps of the run.
        warmup: Share of the run in which the rate rises linearly.
        minimum: Factor at the end; a tenth of the peak as in Hoffmann et al. (2022).
    """
    start = warmup * steps
    done = min(1.0, max(0.0, (step + 1 - start) / max(1.0, steps - start)))
    return _warmup(step, steps, warmup) * (minimum + (1 - minimum) * (1 + cos(pi * done)) / 2)


def warmup_stable_decay(
    step: int, steps: int, *, warmup: Share = 0.01, decay: Share = 0.2, minimum: Share = 0.0
) -> float:
    """Warm up, hold, then decay linearly (WSD: Hu et al. 2024, Hägele et al. 2024).

    As good as cosine, and the held part can be continued with a larger budget.

    Args:
        step: Optimizer step, from 0.
        steps: Steps of the run.
        warmup: Share of the run in which the rate rises linearly.
        decay: Share of the run, at its end, in which the rate falls linearly.
        minimum: Factor at the end.
    """
    remaining = (steps - step) / max(1.0, decay * steps)
    return _warmup(step, steps, warmup) * (minimum + (1 - minimum) * min(1.0, remaining))

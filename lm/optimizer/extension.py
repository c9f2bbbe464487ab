"""Whether a run may continue with a longer budget: the learning rates of its steps so far, and where it is held.

A schedule is a function of (step, steps), so all of it is known by calling it; no schedule has to say anything.
"""

from collections.abc import Callable

Schedule = Callable[[int, int], float]


def stable_steps(schedule: Schedule, steps: int) -> int:
    """Return the steps done when a rate that was held begins to fall; 0 if it never falls, or was not held before.

    Up to there a longer run has the same learning rates, so its checkpoint can be continued with any larger budget.

    Args:
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Steps of the run.
    """
    before, held = schedule(0, steps), False
    for step in range(1, steps):
        now = schedule(step, steps)
        if now < before:
            return step if held else 0
        before, held = now, now == before
    return 0


def continues(schedule: Schedule, done: int, *, steps: int, longer: int) -> bool:
    """Return whether a run of `longer` steps has the learning rates that a run of `steps` had in its first `done`.

    Warm-up is left out: it is a share of the run, so a longer run would warm up longer. It must be over in both.

    Args:
        schedule: Factor of the learning rate as a function of (step, steps).
        done: Steps that are done.
        steps: Steps of the run that did them.
        longer: Steps of the run that is to continue.
    """
    if steps == longer or not done:
        return True
    had, would_have = ([schedule(step, total) for step in range(done)] for total in (steps, longer))
    warm = max(rates.index(max(rates)) for rates in (had, would_have))
    return had[warm:] == would_have[warm:]

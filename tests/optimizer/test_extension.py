"""Where a rate is held is found by calling the schedule, and so is whether a longer run can take over."""

from functools import partial

import pytest

from lm.optimizer import constant, continues, cosine, stable_steps, warmup_stable_decay

WSD = partial(warmup_stable_decay, warmup=0.02, decay=0.2)
FLAT = partial(constant, warmup=0.02)
CASES = [  # schedule, steps, done when the held rate begins to fall
    (WSD, 1000, 801),
    (partial(WSD, minimum=0.1), 1000, 801),
    (partial(WSD, warmup=0.0), 10, 9),
    (partial(WSD, warmup=0.8), 1000, 801),  # held for the single step after warm-up and at the start of the decay
    (partial(WSD, warmup=0.9, decay=0.2), 1000, 0),  # the decay begins in the warm-up
    (FLAT, 1000, 0),
    (cosine, 1000, 0),
    (WSD, 1, 0),
]


@pytest.mark.parametrize(("schedule", "steps", "expected"), CASES)
def test_the_stable_checkpoint_is_the_one_before_the_first_lower_rate(schedule, steps, expected):
    assert stable_steps(schedule, steps) == expected


def test_a_longer_run_takes_over_as_long_as_the_rate_is_held():
    assert continues(WSD, 801, steps=1000, longer=2000)
    assert continues(WSD, 500, steps=1000, longer=10_000)
    assert not continues(WSD, 802, steps=1000, longer=2000)
    assert not continues(WSD, 1000, steps=1000, longer=2000)
    assert continues(FLAT, 1000, steps=1000, longer=2000)


def test_warm_up_must_be_over_in_both_runs():
    assert not continues(WSD, 15, steps=1000, longer=2000)
    assert not continues(WSD, 801, steps=1000, longer=50_000)  # which warms up for 1,000 steps
    assert continues(WSD, 801, steps=1000, longer=40_000)


def test_a_cosine_fits_one_length():
    assert not continues(cosine, 500, steps=1000, longer=1001)
    assert continues(cosine, 500, steps=1000, longer=1000)

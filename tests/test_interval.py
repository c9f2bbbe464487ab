"""The interval of a share equals the published one."""

import pytest

from lm.interval import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [(0, 10, (0.0, 0.2775)), (81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (10, 10, (0.7225, 1.0))],
)
def test_intervals_equal_the_published_ones(successes, trials, expected):
    """Newcombe 1998 (Statistics in Medicine 17, table I, method 3)."""
    assert wilson_interval(successes, trials) == pytest.approx(expected, abs=5e-5)


def test_no_trials_say_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)

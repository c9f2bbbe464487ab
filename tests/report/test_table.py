"""Times and counts are written as people read them."""

import pytest

from lm.report.table import counted, elapsed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.4, "9.4 s"), (59.6, "1 min 00 s"), (42, "42 s"), (245, "4 min 05 s"), (7380, "2 h 03 min")],
)
def test_a_time_has_its_two_largest_units(seconds: float, text: str):
    assert elapsed(seconds) == text


def test_one_thing_is_not_several():
    assert [counted(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]

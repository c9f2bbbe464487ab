"""A curve in one line of text."""

from lm.report.sparkline import sparkline


def test_the_lowest_and_the_highest_stretch_have_the_lowest_and_the_highest_character():
    assert sparkline([3.0, 1.0, 2.0]) == "█▁▅"


def test_a_long_curve_is_averaged():
    assert sparkline([0.0] * 500 + [1.0] * 500, width=4) == "▁▁██"


def test_a_flat_curve_and_none_at_all_are_drawn():
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([]) == ""

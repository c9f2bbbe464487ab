"""Numbers with intervals are rows on one axis that a screen reader can read."""

import re

from lm.report.ranges import Range, range_rows


def places(html: str, kind: str) -> list[float]:
    return [float(found) for found in re.findall(rf"class='{kind}[^']*' style='left:([\d.]+)%", html)]


def test_a_share_stands_on_an_axis_from_0_to_100_percent_with_its_interval_and_marks():
    html = range_rows([Range("copa", 0.58, 0.48, 0.67, {"chance": 0.5})], share=True)
    assert (places(html, "dot"), places(html, "interval"), places(html, "mark")) == ([58.0], [48.0], [50.0])
    assert "width:19.00%" in html
    assert 'aria-label="copa 58.0 %, 95 % interval 48.0 % to 67.0 %, chance 50.0 %"' in html
    assert "</i> chance" in html


def test_other_numbers_share_an_axis_that_has_all_of_them():
    html = range_rows([Range("a", 2.0, 1.0, 3.0), Range("b", 5.0), Range("c", 4.0, marks={"xz": 4.5})])
    (a, b, c), (low,), (mark,) = (places(html, kind) for kind in ("dot", "interval", "mark"))
    assert 0 < low < a < c < mark < b < 100
    assert round((b - a) / (c - a), 2) == 1.5


def test_equal_numbers_zero_and_no_numbers_have_a_page_too():
    assert range_rows([]) == ""
    for value in (0.0, 3.0, -2.0):
        assert 0 <= places(range_rows([Range("a", value, value, value)]), "dot")[0] <= 100


def test_names_are_escaped():
    html = range_rows([Range('<b>"', 1.0)])
    assert "<b>" not in html
    assert '"&quot;' not in html.replace('aria-label="&lt;b&gt;&quot;', "")

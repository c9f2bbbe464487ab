"""The frame of pages."""

from lm.report.page import Section, framed, island, sectioned


def test_sections_without_content_are_left_out():
    page = sectioned("t", "<h1>t</h1>", [Section("a", "First", "x"), Section("b", "Second", "")])
    assert "First" in page
    assert "Second" not in page
    assert "<nav" not in page


def test_a_page_without_charts_has_no_script():
    assert "<script" not in framed("t", "body")


def test_data_cannot_end_their_script():
    assert island({"a": "</script>\u2028"}) == '{"a":"\\u003c/script>\\u2028"}'

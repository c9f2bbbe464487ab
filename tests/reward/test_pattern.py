"""Whether an answer has the form that a regular expression describes."""

import time

import pytest

from lm.reward import Answer, Pattern


def test_the_whole_answer_or_a_part_of_it_matches():
    answer = Answer(text=" It is 7\n")
    assert Pattern(r"It is \d").score(answer) == 1
    assert Pattern(r"\d").score(answer) == 0
    assert Pattern(r"\d", whole=False).score(answer) == 1


def test_a_point_matches_line_breaks():
    assert Pattern(r"<a>.*</a>").score(Answer(text="<a>1\n2</a>")) == 1


def test_an_expression_that_backtracks_without_end_is_stopped():
    start = time.perf_counter()
    assert Pattern(r"(a|aa)+b", seconds=0.2).score(Answer(text="a" * 10_000)) == 0
    assert time.perf_counter() - start < 2


def test_an_empty_answer_is_matched_as_any_other():
    assert (Pattern(r".+").score(Answer(text="")), Pattern(r"").score(Answer(text=""))) == (0, 1)


def test_what_is_no_expression_is_refused():
    with pytest.raises(ValueError, match=r"^reward\.pattern '\(' is not a regular expression: missing \)"):
        Pattern("(")

"""Whether an answer is the reference, word for word."""

import pytest

from lm.reward import Answer, ExactAnswer


def score(text, reference, **options):
    return ExactAnswer(**options).score(Answer(text=text, reference=reference))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Paris", "Paris"),
        ("  Paris\n", "Paris"),
        ("New \t York", "New York"),
        ("\uff14\uff12", "42"),  # full-width digits
        ("\u200f42\u200e", "42"),  # marks of direction
        ("caf\u0065\u0301", "caf\u00e9"),
        ("a\u00a0b", "a b"),
        ("x" * 10_000, "x" * 10_000),
        ("", " "),
    ],
    ids=["same", "stripped", "blanks", "full width", "direction", "accent", "hard blank", "10 kB", "empty"],
)
def test_what_looks_the_same_is_the_same(text, reference):
    assert score(text, reference) == 1


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("paris", "Paris"),
        ("Paris.", "Paris"),
        ("Paris Paris", "Paris"),  # said twice
        ("", "Paris"),
        ("The capital? Paris", "Paris"),
        ("<think></think>Paris", "Paris"),
    ],
    ids=["case", "period", "twice", "empty", "within", "tags"],
)
def test_what_is_other_text_is_wrong(text, reference):
    assert score(text, reference) == 0


def test_case_and_a_final_period_are_ignored_where_asked():
    assert score("paris", "Paris", ignore_case=True) == 1
    assert score("Paris .", "Paris", ignore_final_period=True) == 1


def test_an_answer_without_a_reference_is_not_scorable():
    assert score("Paris", None) is None


def test_the_answer_in_the_prompt_does_not_count():
    assert ExactAnswer().score(Answer(prompt="Paris", text="Rome", reference="Paris")) == 0


def test_a_cut_answer_scores_0_where_asked():
    cut = Answer(text="Paris", reference="Paris", finished=False)
    assert (ExactAnswer().score(cut), ExactAnswer(finished_only=True).score(cut)) == (1, 0)

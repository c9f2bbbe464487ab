"""Files say in many ways which choice is right."""

import pytest

from lm.evaluation.gold import gold_of

CHOICES = ["yes", "no", "perhaps"]


def gold(value, choices=CHOICES):
    return gold_of(value, choices, place="a.jsonl:3", key="evaluation.question.gold")


@pytest.mark.parametrize(
    ("value", "index"),
    [(1, 1), ("1", 1), (1.0, 1), ("no", 1), ("B", 1), ("b", 1), (True, 1), (False, 0), (" perhaps ", 2)],
)
def test_index_letter_and_text(value, index):
    assert gold(value) == [index]


def test_a_text_comes_before_a_letter_and_several_may_be_right():
    assert gold("A", ["B", "A"]) == [1]
    assert gold([0, "perhaps"]) == [0, 2]


@pytest.mark.parametrize("value", [3, -1, "maybe", None, "D", 0.5, []])
def test_anything_else_is_named(value):
    with pytest.raises(ValueError, match=r"a\.jsonl:3: evaluation\.question\.gold gives .* 3 choices \(0 to 2\)"):
        gold(value)


def test_digits_that_are_an_index_and_another_choice_are_refused():
    with pytest.raises(ValueError, match=r"the text '1', which is an index and another choice: write \| int"):
        gold("1", ["1", "0"])
    assert gold("1", ["0", "1"]) == [1]
    assert gold(1, ["1", "0"]) == [1]

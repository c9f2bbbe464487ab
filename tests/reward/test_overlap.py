"""The overlap of words is SQuAD's F1."""

import pytest

from lm.reward import Answer, WordOverlap


@pytest.mark.parametrize(
    ("text", "reference", "value"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("cat", "the cat sat", 0.5),  # precision 1, recall 1/3
        ("a dog", "the cat sat", 0.0),
        ("the the the the", "the cat", 1 / 3),  # a word counts once for each in the other
        ("sat  cat\nthe", "the cat sat", 1.0),  # order and white space do not matter
        ("the cat " * 1000, "the cat", 2 * 2 / 2002),
        ("", "the cat", 0.0),
        ("cat", "", 0.0),
        ("", "", 1.0),
        ("cat", None, None),
    ],
    ids=["same", "part", "none", "repeated", "order", "long", "empty", "empty reference", "both", "no reference"],
)
def test_words_count_as_often_as_they_stand_in_both(text, reference, value):
    scored = WordOverlap()([Answer(text=text, reference=reference)])
    assert scored == [value if value is None else pytest.approx(value)]


def test_case_counts_unless_it_is_ignored():
    answer = Answer(text="The CAT", reference="the cat")
    assert (WordOverlap().score(answer), WordOverlap(ignore_case=True).score(answer)) == (0.0, 1.0)

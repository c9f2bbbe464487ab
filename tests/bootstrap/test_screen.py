"""Useless instructions and instances are dropped, each for its reason; the others are kept."""

import pytest

from lm.bootstrap import Instance, RougeIndex, Screen


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Name a river in France.", ""),
        ("¿Qué hora es en Lima ahora?", ""),
        ('"To be" comes from which play?', ""),
        ("Do it", "too short"),
        ("word " * 151, "too long"),
        ("- name a river in France", "begins with a mark"),
        ("1 + 2 = 3 ?", "no words"),
        ("Draw a picture of a cat.", "beyond text"),
        ("Describe this IMAGE in words.", "beyond text"),
        ("Imagine a paragraph on mapping.", ""),
        ("Write a short poem about a dog.", "like one before"),
        ("Write a long essay on the old kings of France.", ""),
    ],
)
def test_an_instruction_is_dropped_for_its_reason(text, reason):
    known = RougeIndex()
    known.add("Write a short poem about a cat.")
    assert Screen().instruction(text, known) == reason


def test_thresholds_are_parameters():
    known = RougeIndex()
    known.add("Write a short poem about a cat.")
    assert Screen(max_similarity=0.9).instruction("Write a short poem about a dog.", known) == ""
    assert Screen(min_words=2).instruction("Do it", known) == ""
    assert Screen(blocked_words=["river"]).instruction("Name a river in France.", known) == "beyond text"
    assert Screen(blocked_words=[]).instruction("Draw a picture of it.", known) == ""
    with pytest.raises(ValueError, match="min_words=9 is more"):
        Screen(min_words=9, max_words=3)


def test_an_instance_without_a_usable_answer_is_dropped():
    a, b = Instance("1", "one"), Instance("2", "two")
    kept, reasons = Screen().instances([a, None, b, a, Instance("x", "x"), Instance("", "said")])
    assert kept == [a, b, Instance("", "said")]
    assert sorted(reasons) == ["answer is the input", "no answer", "the same instance"]
    kept, reasons = Screen().instances([a, Instance("1", "eins"), Instance("1", "un"), b])
    assert kept == [b]
    assert reasons == ["several answers to one input"] * 3

"""Passages of a long text."""

import random

from lm.classifier.passages import passages


def test_passages_end_at_white_space_and_hold_every_word():
    draw = random.Random(0)
    text = " ".join("x" * draw.randint(1, 12) for _ in range(300))
    found = [*passages(text, 80)]
    assert max(map(len, found)) <= 80
    assert " ".join(found) == text
    assert min(map(len, found[:-1])) > 40


def test_a_short_text_is_one_passage_and_one_without_blanks_is_cut():
    assert [*passages(" one line\n", 80)] == ["one line"]
    assert [*passages("日本" * 50, 40)] == ["日本" * 20, "日本" * 20, "日本" * 10]
    assert [*passages(" \n ", 80)] == []

"""Repeated runs of words are found as by comparing every run with every other."""

import random
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from lm.filter.text.phrase_bounds import RUN, bounds_of
from lm.filter.text.phrases import Phrases, phrases
from lm.filter.text.words import words, words_of

NUMBERS = ["often", "word", "again", "most", "longest"]


def found_in(said: list[str], longest: int) -> list[Phrases]:
    return list(islice(phrases(words(" ".join(said))), longest))


def top_by_hand(said: list[str], length: int) -> int:
    runs = [tuple(said[begin : begin + length]) for begin in range(len(said) - length + 1)]
    if not runs:
        return 0
    run, often = Counter(runs).most_common(1)[0]
    return len(" ".join(run)) * often


def duplicate_by_hand(said: list[str], length: int) -> int:
    seen, total, begin = set(), 0, 0
    while begin + length <= len(said):
        run = tuple(said[begin : begin + length])
        total += len("".join(run)) * (run in seen)
        begin += length if run in seen else 1
        seen.add(run)
    return total


@pytest.mark.parametrize("kinds", [1, 2, 3, 8, 40])
def test_characters_are_those_counted_by_hand(kinds):
    draw = random.Random(kinds)
    vocabulary = ["x" * (1 + number % 5) + str(number) for number in range(kinds)]
    for _ in range(60):
        said = draw.choices(vocabulary, k=draw.randrange(60))
        for found in found_in(said, 12):
            assert found.top_characters() == top_by_hand(said, found.length), (said, found.length)
            assert found.duplicate_characters(limit=-1) == duplicate_by_hand(said, found.length), (said, found.length)


def test_among_equally_common_runs_the_first_counts():
    _, pairs = found_in(["aaaa", "b", "c", "aaaa", "b", "c"], 2)
    assert pairs.top_characters() == 2 * len("aaaa b")
    _, pairs = found_in(["b", "c", "aaaa", "b", "c", "aaaa"], 2)
    assert pairs.top_characters() == 2 * len("b c")


def test_where_the_limit_cannot_be_passed_nothing_is_counted():
    *_, triples = found_in(list("abcdabc"), 3)
    assert triples.duplicate_characters(limit=5) == 3
    assert triples.duplicate_characters(limit=6) == 0


def test_time_grows_with_the_text_and_not_with_its_square():
    said = ["word"] * 200_000
    assert found_in(said, 10)[-1].duplicate_characters(limit=0) == duplicate_by_hand(said, 10)


@pytest.mark.parametrize("kinds", [1, 2, 3, 8, 40])
def test_no_run_has_more_characters_than_the_bounds_say(kinds):
    draw, near, nearly, too_short = random.Random(kinds), 0, 0, 0
    vocabulary = ["x" * draw.choice([0, 1, 2, 9]) + str(number) for number in range(kinds)]
    for _ in range(200):
        said = draw.choices(vocabulary, k=draw.randrange(60))
        said += said[: draw.randrange(20)] * draw.randrange(3)
        bounds = bounds_of([words(" ".join(said))])[0]
        for length in range(1, 13):
            top, duplicate = top_by_hand(said, length), duplicate_by_hand(said, length)
            assert bounds.top_characters(length) >= top, (said, length)
            quick, close = (bounds.duplicate_characters(length, enough=enough) for enough in (np.inf, -1))
            assert quick >= close >= duplicate, (said, length)
            near += top == bounds.top_characters(length) > 0
            nearly += 0 < duplicate == close < quick
            too_short += 0 == close < quick
    assert near > 0
    assert nearly > 0
    assert too_short > 0 or kinds < 3


def test_many_texts_at_once_have_the_bounds_of_each(monkeypatch):
    draw = random.Random(0)
    texts = ["", "x", "x x x", *(" ".join(draw.choices("abcdefgh", k=draw.randrange(40))) for _ in range(300)), ""]
    forgotten = words_of(texts[:50])
    monkeypatch.setattr("lm.filter.text.words.MOST", -1)
    together = bounds_of([*forgotten, *words_of(texts[50:200]), *words_of(texts[200:])])
    for text, bounds in zip(texts, together, strict=True):
        [alone] = bounds_of(words_of([text]))
        assert [vars(bounds)[name] for name in NUMBERS] == [vars(alone)[name] for name in NUMBERS], text
        for length in range(RUN, 2 * RUN):
            assert bounds.duplicate_characters(length, enough=-1) == alone.duplicate_characters(length, enough=-1), text
    assert bounds_of([]) == []

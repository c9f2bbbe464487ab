"""Repeated n-grams equal those of a naive search."""

import random
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from lm.filter.text.ngram_bounds import N, bounds_of
from lm.filter.text.repeated_ngrams import RepeatedNGrams, repeated_ngrams
from lm.filter.text.words import words, words_of

NUMBERS = ("word_count", "word_characters", "repeats", "ngram_count", "longest")


def found_in(said: list[str], longest: int) -> list[RepeatedNGrams]:
    return list(islice(repeated_ngrams(words(" ".join(said))), longest))


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
def test_characters_equal_a_naive_count(kinds):
    draw = random.Random(kinds)
    vocabulary = ["x" * (1 + number % 5) + str(number) for number in range(kinds)]
    for _ in range(60):
        said = draw.choices(vocabulary, k=draw.randrange(60))
        for found in found_in(said, 12):
            assert found.top_characters() == top_by_hand(said, found.length), (said, found.length)
            assert found.duplicate_characters(limit=-1) == duplicate_by_hand(said, found.length), (said, found.length)


def test_of_equally_frequent_ngrams_the_first_counts():
    _, pairs = found_in(["aaaa", "b", "c", "aaaa", "b", "c"], 2)
    assert pairs.top_characters() == 2 * len("aaaa b")
    _, pairs = found_in(["b", "c", "aaaa", "b", "c", "aaaa"], 2)
    assert pairs.top_characters() == 2 * len("b c")


def test_nothing_is_counted_if_the_limit_cannot_be_exceeded():
    *_, triples = found_in(list("abcdabc"), 3)
    assert triples.duplicate_characters(limit=5) == 3
    assert triples.duplicate_characters(limit=6) == 0


def test_time_is_linear_in_the_text():
    said = ["word"] * 200_000
    assert found_in(said, 10)[-1].duplicate_characters(limit=0) == duplicate_by_hand(said, 10)


@pytest.mark.parametrize("kinds", [1, 2, 3, 8, 40])
def test_bounds_are_never_too_low(kinds):
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


def test_bounds_of_a_batch_equal_those_of_each_text(monkeypatch):
    draw = random.Random(0)
    texts = ["", "x", "x x x", *(" ".join(draw.choices("abcdefgh", k=draw.randrange(40))) for _ in range(300)), ""]
    forgotten = words_of(texts[:50])
    monkeypatch.setattr("lm.filter.text.words.MAX_CHARACTERS", -1)
    together = bounds_of([*forgotten, *words_of(texts[50:200]), *words_of(texts[200:])])
    for text, bounds in zip(texts, together, strict=True):
        [alone] = bounds_of(words_of([text]))
        assert [vars(bounds)[name] for name in NUMBERS] == [vars(alone)[name] for name in NUMBERS], text
        for length in range(N, 2 * N):
            assert bounds.duplicate_characters(length, enough=-1) == alone.duplicate_characters(length, enough=-1), text
    assert bounds_of([]) == []

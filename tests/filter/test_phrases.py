"""Repeated runs of words are found as by comparing every run with every other."""

import random
from collections import Counter
from itertools import islice

import pytest

from lm.filter.phrases import phrases


def top_by_hand(words: list[str], length: int) -> int:
    runs = [tuple(words[begin : begin + length]) for begin in range(len(words) - length + 1)]
    if not runs:
        return 0
    run, often = Counter(runs).most_common(1)[0]
    return len(" ".join(run)) * often


def duplicate_by_hand(words: list[str], length: int) -> int:
    seen, total, begin = set(), 0, 0
    while begin + length <= len(words):
        run = tuple(words[begin : begin + length])
        total += len("".join(run)) * (run in seen)
        begin += length if run in seen else 1
        seen.add(run)
    return total


@pytest.mark.parametrize("kinds", [1, 2, 3, 8, 40])
def test_characters_are_those_counted_by_hand(kinds):
    draw = random.Random(kinds)
    vocabulary = ["x" * (1 + number % 5) + chr(97 + number) for number in range(kinds)]
    for _ in range(60):
        words = draw.choices(vocabulary, k=draw.randrange(60))
        for found in islice(phrases(words), 12):
            assert found.top_characters() == top_by_hand(words, found.length), (words, found.length)
            assert found.duplicate_characters(limit=-1) == duplicate_by_hand(words, found.length), (words, found.length)


def test_among_equally_common_runs_the_first_counts():
    _, pairs = islice(phrases(["aaaa", "b", "c", "aaaa", "b", "c"]), 2)
    assert pairs.top_characters() == 2 * len("aaaa b")
    _, pairs = islice(phrases(["b", "c", "aaaa", "b", "c", "aaaa"]), 2)
    assert pairs.top_characters() == 2 * len("b c")


def test_where_the_limit_cannot_be_passed_nothing_is_counted():
    *_, triples = islice(phrases(list("abcdabc")), 3)
    assert triples.duplicate_characters(limit=5) == 3
    assert triples.duplicate_characters(limit=6) == 0


def test_time_grows_with_the_text_and_not_with_its_square():
    words = ["word"] * 200_000
    found = list(islice(phrases(words), 10))
    assert found[-1].duplicate_characters(limit=0) == duplicate_by_hand(words, 10)

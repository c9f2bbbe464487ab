"""Punctuation is split from words; numbers, names and abbreviations stay whole."""

import random

import pytest

from lm.filter.text import words as module
from lm.filter.text.words import WORD, words, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat sat.", "The cat sat ."),
        ('"Well, yes!" he said', '" Well , yes ! " he said'),
        ("It's don't we’ll o'clock", "It 's don 't we ’ll o'clock"),
        ("1,000 at 3.14 from 10:30, or 1/2", "1,000 at 3.14 from 10:30 , or 1/2"),
        ("well-known COVID-19 of 1939–1945", "well - known COVID-19 of 1939–1945"),
        ("J. Smith of the U.S. and Mr. Brown, e.g. at noon.", "J. Smith of the U.S. and Mr. Brown , e.g. at noon ."),
        ("the end.Begin here", "the end . Begin here"),
        ("Wait... what -- no!!", "Wait ... what -- no ! !"),
        ("see https://example.org/a?b=1 or me@example.org", "see https://example.org/a?b=1 or me@example.org"),
        ("@name 90 @-@ day", "@name 90 @-@ day"),
        ("# and/or *", "# and / or *"),
        ("Größe naïve Ελλάδα", "Größe naïve Ελλάδα"),
        (" \n\t", ""),
    ],
)
def test_a_text_is_split_as_expected(text, expected):
    assert list(words(text)) == expected.split()


def drawn(count: int) -> list[str]:
    """Random texts of pieces of words, punctuation and white space."""
    draw = random.Random(0)
    pieces = ["a", "Bc", "é", "1", "9", "_", ".", "...", "-", "--", ",", "'", "’", "s", "t", "ll", "@", ":", "/", "://"]
    pieces += [" ", " ", "\n", "\u2028", "\xa0", "\x1c", "\u200b", "·", "²", "Mr", "J", "中文", "🙂", "e\u0301", "\x00"]
    pieces += ["Mrs", "Word", "\ud800"]
    return ["".join(draw.choices(pieces, k=draw.randrange(30))) for _ in range(count)]


def test_facts_about_each_word_equal_a_check_of_the_word():
    for text in drawn(3000):
        expected, found = [word for piece in text.split() for word in WORD.findall(piece)], words(text)
        assert list(found) == expected, repr(text)
        assert "".join(found) == "".join(text.split()), repr(text)
        assert len(found) == len(expected)
        assert found.lengths.tolist() == list(map(len, expected))
        assert found.alphanumeric.tolist() == [any(map(str.isalnum, word)) for word in expected], repr(text)
        letters = [any(each.isalnum() and not each.isdecimal() for each in word) for word in expected]
        assert found.lettered.tolist() == letters, repr(text)
        last = {word: place for place, word in enumerate(expected)}
        assert found.last_places.tolist() == [last[word] for word in expected], repr(text)
        assert all((word in found) == (word in expected) for word in ("a", "s", ".", "Mr", "²", "never seen"))


def test_a_reset_vocabulary_gives_the_same_words(monkeypatch):
    texts = drawn(300)
    expected = [list(words(text)) for text in texts]
    monkeypatch.setattr(module, "MAX_CHARACTERS", 40)
    found = [words.compute(text) for text in texts]
    assert list(map(list, found)) == expected
    assert len({id(each.vocabulary) for each in found}) > 10


@pytest.mark.parametrize("block", [1, 7, module.BLOCK])
def test_words_of_a_batch_equal_those_of_each_text(block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    texts = drawn(500)
    assert [list(each) for each in words_of(texts)] == [list(words(text)) for text in texts]
    assert words_of([]) == []

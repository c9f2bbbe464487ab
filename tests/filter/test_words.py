"""Words are what a reader of the rules would count: marks apart, numbers, names and abbreviations whole."""

import random

import pytest

from lm.filter.words import words, words_by_kind


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
def test_a_text_is_split_as_written_out(text, expected):
    assert words(text) == expected.split()


def test_by_kind_the_words_are_the_same_ones():
    draw = random.Random(0)
    pieces = ["a", "Bc", "é", "1", "9", "_", ".", "...", "-", "--", ",", "'", "’", "s", "t", "ll", "@", ":", "/", "://"]
    pieces += [" ", " ", "\n", "\u2028", "\xa0", "\x1c", "\u200b", "·", "²", "Mr", "J", "中文", "🙂", "e\u0301", "\x00"]
    for _ in range(3000):
        text = "".join(draw.choices(pieces, k=draw.randrange(30)))
        plain, others = words_by_kind(text)
        assert sorted(plain + others) == sorted(words(text)), repr(text)
        assert all(map(str.isalpha, plain)), repr(text)
        assert "".join(words(text)) == "".join(text.split()), repr(text)

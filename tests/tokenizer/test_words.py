"""Words are counted exactly or with a reported loss, in memory that does not grow with the text."""

import random
import tracemalloc
from collections import Counter
from unicodedata import category

import pytest

from lm.tokenizer import words
from lm.tokenizer.byte_alphabet import to_bytes
from lm.tokenizer.engine import _mixed_texts
from lm.tokenizer.words import GPT4, byte_level, count_words

PATTERN = r"\S+|\s+"


def test_counts_equal_splitting_by_hand(capsys):
    texts = ["a bb a", "été a", "", " "]
    counted = {to_bytes(word).decode(): count for word, count in count_words(texts, PATTERN, max_words=100).items()}
    assert counted == {"a": 3, "bb": 1, "été": 1, " ": 4}
    assert not capsys.readouterr().out


def test_the_most_frequent_words_are_kept_and_the_dropped_share_is_reported(capsys):
    common = [f"c{number} " * 9 for number in range(5)]
    texts = [text for number in range(300) for text in (*common, f"r{number} ")]
    counts = count_words(texts, PATTERN, max_words=6)
    assert set(counts) == {*(f"c{number}" for number in range(5)), "Ġ"}
    assert all(counts[f"c{number}"] == 2700 for number in range(5))
    assert "trained on the 6 most frequent words; the others are 1.09% of all words" in capsys.readouterr().out


def test_memory_does_not_grow_with_the_text():
    def texts(count: int):
        draw = random.Random(0)
        return (" ".join(str(draw.random()) for _ in range(100)) for _ in range(count))

    peaks = []
    for count in (40, 400):
        tracemalloc.start()
        assert len(count_words(texts(count), PATTERN, max_words=500)) == 500
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0], "for ten times the text"


@pytest.mark.parametrize("block", [1, 7, 100])
@pytest.mark.parametrize("pattern", [GPT4, r"[a-z]+", r"(a|b)+| "])
def test_a_text_of_many_blocks_is_split_as_one(pattern, block, monkeypatch):
    draw = random.Random(block)
    text = "".join(draw.choices("ab 12\n.\tdon't été", k=2000)) + " " * 30 + "c" * 50
    whole = Counter(word for word, _ in byte_level(pattern).pre_tokenize_str(text))
    monkeypatch.setattr(words, "BLOCK", block)
    assert count_words([text], pattern, max_words=10_000) == whole


def test_both_libraries_split_every_script_alike():
    draw = random.Random(0)
    texts = [
        "".join(c for c in text if category(c) != "Cn") for text in _mixed_texts(draw, 3000)
    ]  # characters that both know
    for pattern in (GPT4, r" ?\S+|\s+(?!\S)|\s+"):
        split = byte_level(pattern)
        counted = Counter(word for text in texts for word, _ in split.pre_tokenize_str(text))
        assert count_words(texts, pattern, max_words=1_000_000) == counted


def test_a_run_without_a_split_is_counted_in_parts():
    counts = count_words(["x" * 600], PATTERN, max_words=10)
    assert counts == Counter({"x" * 256: 2, "x" * 88: 1})

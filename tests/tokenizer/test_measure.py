"""Measurements of a vocabulary equal counting by hand."""

import random
import re

import numpy as np
import pytest

from lm.tokenizer import byte_tokenizer, longest_tokens, measure, premium, train_bpe
from lm.tokenizer.measure import renyi_efficiency

WORDS = ["alpha", "beta", "straße", "日本語", "x1", "1234", "🙂", "don't", "__init__", "naïve"]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(0)
    made = ["".join(w + draw.choice([" ", "\n", "  ", ", "]) for w in draw.choices(WORDS, k=40)) for _ in range(20)]
    return [*made, "", "…"]


@pytest.fixture(scope="module")
def tokenizer(texts):
    return train_bpe(texts, vocab_size=330)


def by_hand(tokenizer, texts) -> dict[str, float]:
    """Count slowly: for each word, the tokens whose bytes overlap it."""
    words = whole = pieces = tokens = 0
    for text in texts:
        ids, spans, at = tokenizer.encode(text), [], 0
        for token in ids:
            size = len(tokenizer.decode_bytes([token]))
            spans.append((at, at + size))
            at += size
        tokens += len(ids)
        for match in re.finditer(r"\w+", text):
            begin, end = (len(text[:place].encode()) for place in match.span())
            overlapping = [span for span in spans if span[0] < end and begin < span[1]]
            words, pieces, whole = words + 1, pieces + len(overlapping), whole + (len(overlapping) == 1)
    size = sum(len(text.encode()) for text in texts)
    return {"bytes_per_token": size / tokens, "tokens_per_word": pieces / words, "words_whole": whole / words}


def test_shares_are_those_counted_by_hand(tokenizer, texts):
    result = measure(tokenizer, texts)
    for name, value in by_hand(tokenizer, texts).items():
        assert result[name] == pytest.approx(value, rel=1e-12), name
    assert 0 < result["words_whole"] < 1, "the test needs whole and split words"


def test_bytes_are_one_token_each(texts):
    result = measure(byte_tokenizer([]), texts)
    assert result["bytes_per_token"] == 1
    assert result["digits_per_token"] == 1
    assert result["tokens"] == result["bytes"] == sum(len(text.encode()) for text in texts)


def test_never_and_rarely_seen_are_shares_of_the_usable_tokens():
    result = measure(byte_tokenizer([]), ["aaaaaaaaaaab"], rare=5)
    assert result["never_seen"] == 254 / 256
    assert result["rarely_seen"] == 255 / 256


def test_renyi_efficiency_is_1_for_uniform_use_and_0_for_a_single_token():
    assert renyi_efficiency(np.full(64, 7)) == pytest.approx(1)
    assert renyi_efficiency(np.eye(64)[0]) == pytest.approx(0)
    chances = np.array([0.5, 0.3, 0.2])
    expected = np.log((chances**2.5).sum()) / (1 - 2.5) / np.log(3)
    assert renyi_efficiency(np.array([5, 3, 2])) == pytest.approx(expected)


def test_premium_is_the_ratio_of_tokens_to_those_of_the_reference():
    paid = premium(byte_tokenizer([]), ["日本", "語"], ["Japan", "ese"])
    assert paid == {"texts": 2, "tokens": 9 / 8, "bytes": 9 / 8}
    merged = train_bpe(["Japanese " * 50], vocab_size=280)
    assert premium(merged, ["日本語"], ["Japanese"]) == {"texts": 1, "tokens": 9.0, "bytes": 9 / 8}
    with pytest.raises(ValueError, match="no text in one of the languages"):
        premium(merged, ["a"], [""])


def test_the_longest_tokens_are_returned_as_text(tokenizer):
    longest = longest_tokens(tokenizer, count=3)
    sizes = [len(text.encode()) for text in longest]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == tokenizer.token_bytes.max()


def test_measuring_without_text_is_refused(tokenizer):
    with pytest.raises(ValueError, match="there is no text to measure a tokenizer on"):
        measure(tokenizer, ["", ""])

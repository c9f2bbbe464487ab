"""Text without a split, such as Chinese, DNA and base64, trains and encodes in time that grows with its length."""

import base64
import json
import random
from time import process_time

import pytest

from lm.tokenizer import byte_tokenizer, train_bpe, train_characters, train_unigram, train_wordpiece
from lm.tokenizer.merging import Neighbours
from support.spaced import spaced_tokenizer

DRAW = random.Random(0)
SMALL, LARGE = 2_000, 16_000
RATIO = 30  # 8 in proportion to the length, 64 with its square
TEXTS = {
    "Chinese": "".join(DRAW.choices([chr(0x4E00 + n) for n in range(500)], k=LARGE)),
    "DNA": "".join(DRAW.choices("ACGT", k=LARGE)),
    "base64": base64.b64encode(DRAW.randbytes(LARGE)).decode()[:LARGE],
    "JSON": json.dumps([{"id": n, "name": f"x{n}"} for n in range(LARGE // 20)], separators=(",", ":"))[:LARGE],
    "one letter": "a" * LARGE,
    "blanks": " " * LARGE,
}
TRAIN = {
    "bpe": lambda texts: train_bpe(texts, vocab_size=600),
    "wordpiece": lambda texts: train_wordpiece(texts, vocab_size=700),
    "unigram": lambda texts: train_unigram(texts, vocab_size=600, seed_size=2000, max_piece=8),
    "characters": lambda texts: train_characters(texts, vocab_size=600),
    "bytes": byte_tokenizer,
    "like SentencePiece": lambda texts: spaced_tokenizer(),
}


def seconds(work, *arguments) -> float:
    """Processor time of the faster of two calls."""
    times = []
    for _ in range(2):
        start = process_time()
        work(*arguments)
        times.append(process_time() - start)
    return min(times)


@pytest.mark.parametrize("family", TRAIN)
def test_encoding_and_training_take_time_in_proportion(family):
    tokenizer = TRAIN[family]([text[:2000] for text in TEXTS.values()])
    for name, text in TEXTS.items():
        little, much = (seconds(tokenizer.encode, text[:size]) for size in (SMALL, LARGE))
        assert much < RATIO * little + 0.1, name
        assert tokenizer.decode(tokenizer.encode(text)) == text
    little, much = (seconds(TRAIN[family], [text[:size] for text in TEXTS.values()]) for size in (150, 1200))
    assert much < RATIO * little + 0.5


def test_a_merge_costs_work_per_occurrence_not_per_word(monkeypatch):
    """Of two words of a thousand letters only the places of the pair are visited."""
    words = [([1, 2] + [3] * 1000, 2), ([3] * 1000 + [1, 2, 4], 1)]
    text = Neighbours(words)
    visited = []

    class Watched(list):
        def __getitem__(self, place):
            visited.append(place)
            return super().__getitem__(place)

    text._text = Watched(text._text)
    assert text.merge((1, 2), 5) == {(1, 2): -3, (2, 3): -2, (5, 3): 2, (3, 1): -1, (3, 5): 1, (2, 4): -1, (5, 4): 1}
    assert len(visited) <= 10
    assert text.symbols == {1: 0, 2: 0, 3: 3000, 4: 1, 5: 3}


@pytest.mark.parametrize("seed", range(3))
def test_merges_equal_counting_anew(seed):
    draw = random.Random(seed)
    words = [(draw.choices("ab", k=draw.randint(1, 30)), draw.randint(1, 5)) for _ in range(20)]
    text, now = Neighbours((list(word), times) for word, times in words), words
    for pair in [("a", "a"), ("a", "b"), ("aa", "aa"), ("ab", "aa"), ("aa", "ab"), ("b", "b"), ("aaaa", "aaaa")]:
        if not text.pairs.get(pair):
            continue
        text.merge(pair, "".join(pair))
        now = [(merged(word, pair), times) for word, times in now]
        fresh = Neighbours((list(word), times) for word, times in now)
        assert {key: count for key, count in text.pairs.items() if count} == fresh.pairs
        assert {key: count for key, count in text.symbols.items() if count} == fresh.symbols


def merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for symbol in word:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] = "".join(pair)
        else:
            joined.append(symbol)
    return joined

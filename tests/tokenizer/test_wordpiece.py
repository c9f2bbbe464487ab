"""WordPiece merges by likelihood, is deterministic and loses nothing."""

import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from math import log

import pytest

from lm.tokenizer import load_tokenizer, train_wordpiece
from lm.tokenizer.tokenizer import SPECIAL_TOKENS
from lm.tokenizer.wordpiece import WITHIN, _merge
from lm.tokenizer.words import count_words

TEXTS = [f"the {word} of the {word}s is number {i} aaa aaaa\n" for i in range(50) for word in ("tree", "river", "été")]
LEAST = 2 * 256 + len(SPECIAL_TOKENS) + 1


def naive(words: Counter[str], max_merges: int, min_frequency: int) -> list[str]:
    """Merge and recompute all counts at every merge."""
    split = {word: [word[0], *(WITHIN + letter for letter in word[1:])] for word in words}
    total = sum(len(split[word]) * count for word, count in words.items())
    made: list[str] = []
    while len(made) < max_merges:
        symbols, pairs = Counter(), Counter()
        for word, count in words.items():
            for symbol in split[word]:
                symbols[symbol] += count
            for pair in pairwise(split[word]):
                pairs[pair] += count
        gains = {
            pair: count * log(count * total / (symbols[pair[0]] * symbols[pair[1]]))
            for pair, count in pairs.items()
            if count >= min_frequency
        }
        if not gains:
            break
        left, right = min(gains, key=lambda pair: (-gains[pair], pair))
        merged = left + right.removeprefix(WITHIN)
        for word, parts in split.items():
            joined: list[str] = []
            for part in parts:
                if joined and (joined[-1], part) == (left, right):
                    joined[-1] = merged
                else:
                    joined.append(part)
            split[word] = joined
        if merged not in made:
            made.append(merged)
    return made


def test_the_merges_equal_those_of_counting_anew():
    words = count_words(TEXTS, r"\p{L}+| ?\S+|\s+", max_words=10_000)
    assert [*_merge(words, max_merges=60, min_frequency=2)] == naive(words, 60, 2)
    assert [*_merge(words, max_merges=10_000, min_frequency=30)] == naive(words, 10_000, 30)


def test_any_text_is_returned_and_no_text_looks_like_the_prefix_within_words(tmp_path):
    tokenizer = train_wordpiece(TEXTS, vocab_size=LEAST + 80)
    for text in (f"the {WITHIN}tree {WITHIN * 3}unknown{WITHIN}", "ßx 🙂\x00\r\n", "x" * 300, "", *SPECIAL_TOKENS):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.token_bytes[ids].sum() == len(text.encode())
    assert len(tokenizer.encode("the river")) == 2
    tokenizer.save(tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path).encode("the rivers été") == tokenizer.encode("the rivers été")


def test_the_file_depends_neither_on_the_order_of_texts_nor_on_the_process():
    reference = train_wordpiece(TEXTS, vocab_size=LEAST + 80).fingerprint
    assert train_wordpiece(TEXTS[::-1], vocab_size=LEAST + 80).fingerprint == reference
    program = (
        "import test_wordpiece as t; from lm.tokenizer import train_wordpiece; "
        "print(train_wordpiece(t.TEXTS, vocab_size=t.LEAST + 80).fingerprint)"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.path.dirname(__file__)}
        process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
        assert process.stdout.split()[-1:] == [reference], process.stderr


@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [(["a"], LEAST - 1, f"need {LEAST}"), ([""], 4096, "no text"), (["a\ud800"], 4096, "lone")],
)
def test_invalid_input_is_refused(texts, size, message):
    with pytest.raises(ValueError, match=message):
        train_wordpiece(texts, vocab_size=size)

"""Unigram keeps useful pieces, encodes by the likeliest segmentation, loses nothing and is deterministic."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lm.tokenizer import load_tokenizer, measure, train_bpe, train_unigram
from lm.tokenizer.byte_alphabet import to_bytes
from lm.tokenizer.tokenizer import SPECIAL_TOKENS

TEXTS = [f"the {word} of the {word}s is number {i} aaa aaaa\n" for i in range(50) for word in ("tree", "river", "été")]
LEAST = 256 + len(SPECIAL_TOKENS)


@pytest.fixture(scope="module")
def tokenizer():
    return train_unigram(TEXTS, vocab_size=300)


def scores(tokenizer) -> dict[bytes, float]:
    return {to_bytes(piece): score for piece, score in json.loads(tokenizer.content)["model"]["vocab"]}


def test_the_vocabulary_has_the_requested_size_and_every_byte(tokenizer):
    assert tokenizer.vocab_size == 300
    assert {bytes([byte]) for byte in range(256)} <= scores(tokenizer).keys()


def test_frequent_words_are_single_tokens(tokenizer):
    for word in (" the", " tree", " number", " river"):
        assert len(tokenizer.encode(word)) == 1, word


def test_probabilities_sum_to_nearly_one(tokenizer):
    assert 0.9 < np.exp([*scores(tokenizer).values()]).sum() <= 1.001


def test_text_is_encoded_by_its_likeliest_segmentation(tokenizer):
    known = scores(tokenizer)

    def best(word: bytes) -> float:
        reached = [0.0, *[-np.inf] * len(word)]
        for end in range(1, len(word) + 1):
            reached[end] = max(
                reached[begin] + known.get(word[begin:end], -np.inf) for begin in range(max(0, end - 16), end)
            )
        return reached[-1]

    for word in (" trees", " riverside", "aaaaaaa", " thethe", " étés", "zq"):
        ids = tokenizer.encode(word)
        assert sum(known[tokenizer.decode_bytes([token])] for token in ids) == pytest.approx(best(word.encode()))


def test_nothing_is_lost(tokenizer):
    for text in ("", "\0\t \r\n", "日本語 🙂", "<|user|> hello", "a" * 500, "".join(map(chr, range(1, 1000)))):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_name_of_a_special_token_is_no_piece_however_often_a_text_has_it():
    name = "<|user|>"
    trained = train_unigram([name] * 50 + ["<|user", "users"] * 20, vocab_size=300, pattern=r"[^\n]+|\n")
    assert name.encode() not in scores(trained)
    assert b"<|user" in scores(trained)
    ids = trained.encode(name)
    assert not {*ids} & {*trained.special_tokens.values()}
    assert trained.decode(ids) == name


def test_a_larger_vocabulary_gives_fewer_tokens_about_as_few_as_bpe():
    text = [" ".join(TEXTS)]
    sizes = [measure(train_unigram(TEXTS, vocab_size=size), text)["tokens"] for size in (270, 285, 300)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[2] < 1.1 * measure(train_bpe(TEXTS, vocab_size=300), text)["tokens"]


@pytest.mark.parametrize("seed", ["0", "1", "17"])
def test_any_process_and_thread_count_gives_the_same_file(seed, tokenizer, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tokenizer.test_unigram import TEXTS, train_unigram; "
        "from pathlib import Path; train_unigram(TEXTS, vocab_size=300).save(Path(sys.argv[2]))"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": seed,
        "RAYON_NUM_THREADS": str(1 + int(seed)),
        "OMP_NUM_THREADS": seed,
    }
    tests = os.path.dirname(os.path.dirname(__file__))
    subprocess.run([sys.executable, "-c", code, tests, tmp_path / "t.json"], check=True, env=environment)
    assert load_tokenizer(tmp_path / "t.json").content == tokenizer.content


def test_the_order_of_the_texts_changes_nothing(tokenizer):
    assert train_unigram(TEXTS[::-1], vocab_size=300).content == tokenizer.content


def test_a_text_too_small_for_the_size_is_reported(capsys):
    trained = train_unigram(["ab ab ab cd"], vocab_size=400)
    assert LEAST < trained.vocab_size < 270
    assert f"only {trained.vocab_size} of 400 tokens" in capsys.readouterr().out


def test_invalid_input_is_refused():
    with pytest.raises(ValueError, match=rf"vocab_size {LEAST - 1} is too small.* need {LEAST}"):
        train_unigram(TEXTS, vocab_size=LEAST - 1)
    with pytest.raises(ValueError, match="no text to train a tokenizer on"):
        train_unigram(["", ""], vocab_size=300)
    with pytest.raises(ValueError, match="lone surrogate"):
        train_unigram(["\ud800"], vocab_size=300)

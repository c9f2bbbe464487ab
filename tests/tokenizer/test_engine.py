"""The fast engine gives the same ids or is not used."""

import json
import random
import sys

import pytest

from lm.tokenizer import byte_tokenizer, train_bpe, train_characters, train_unigram, train_wordpiece
from lm.tokenizer.engine import _mixed_texts, fast_engine

fastokens = pytest.importorskip("fastokens", reason="needs the extra lightning-lm[fast]")
TEXTS = _mixed_texts(random.Random(7), 300)


@pytest.fixture(scope="module")
def merged():
    return train_bpe(TEXTS, vocab_size=600)


@pytest.mark.parametrize(
    "train", [train_bpe, train_characters, train_unigram, train_wordpiece, lambda t, **_: byte_tokenizer(t)]
)
def test_batches_get_the_ids_of_single_texts(train):
    tokenizer = train(TEXTS, vocab_size=700)
    texts = ["", "<|user|> <|end_of_turn|>", *_mixed_texts(random.Random(8), 2000)]
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == [tokenizer.encode(text) for text in texts]


def test_supported_tokenizers_use_it(merged):
    assert merged.engine == "fastokens"
    assert train_unigram(TEXTS, vocab_size=300).engine == "tokenizers"


def test_special_tokens_in_a_text_are_text(merged):
    (ids,) = merged.encode_batch(["<|user|>"])
    assert merged.role_tokens["user"] not in ids
    assert merged.decode(ids) == "<|user|>"


def test_an_engine_that_differs_is_not_used(merged):
    description = json.loads(merged.content)
    description["model"]["merges"] = description["model"]["merges"][:100]
    assert fast_engine(json.dumps(description), like=merged._encode_batch) is None
    assert fast_engine(merged.content, like=merged._encode_batch) is not None


def test_without_the_package_there_is_no_fast_engine(merged, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastokens._native", None)
    assert fast_engine(merged.content, like=merged._encode_batch) is None

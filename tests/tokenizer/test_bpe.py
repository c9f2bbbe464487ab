"""Training is deterministic, and refuses what it cannot do."""

import pytest

from lm.tokenizer import train_bpe

TEXTS = [f"the {word} of the {word}s is number {i}\n" for i in range(50) for word in ("tree", "river", "été")]


def test_the_same_texts_give_the_same_tokenizer():
    first, second = (train_bpe(iter(TEXTS), vocab_size=320) for _ in range(2))
    assert first.content == second.content
    assert first.fingerprint == second.fingerprint != train_bpe(TEXTS, vocab_size=319).fingerprint


def test_a_vocabulary_too_small_for_all_bytes_is_refused():
    with pytest.raises(ValueError, match=r"tokenizer.vocab_size 261 .* need 262"):
        train_bpe(TEXTS, vocab_size=261)
    assert train_bpe(TEXTS, vocab_size=262).vocab_size == 262


def test_a_corpus_that_cannot_fill_the_vocabulary_gives_a_smaller_one():
    tokenizer = train_bpe(["abab abab"], vocab_size=5000)
    assert 262 < tokenizer.vocab_size < 270
    assert tokenizer.decode(tokenizer.encode("xyz é")) == "xyz é"


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_no_text_is_refused(texts):
    with pytest.raises(ValueError, match="no text to train"):
        train_bpe(texts)


def test_a_broken_pattern_is_refused():
    with pytest.raises(ValueError, match=r"tokenizer.pattern '\(' is not a regular expression"):
        train_bpe(TEXTS, pattern="(")


def test_a_lone_surrogate_in_training_text_is_refused():
    with pytest.raises(ValueError, match="lone surrogate"):
        train_bpe(["fine", "a\ud800b"])

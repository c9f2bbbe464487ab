"""Every family refuses a vocabulary too small for its alphabet, and reports one that the text cannot fill."""

import pytest

from lm.tokenizer import train_bpe, train_characters, train_unigram, train_wordpiece
from lm.tokenizer.tokenizer import SPECIAL_TOKENS

TEXTS = ["ab ab é é abc"]
ALPHABETS = {train_bpe: 256, train_characters: 256, train_unigram: 256, train_wordpiece: 2 * 256 + 1}


@pytest.mark.parametrize(("train", "alphabet"), ALPHABETS.items())
def test_the_minimum_size_is_reported_and_sufficient(train, alphabet, capsys):
    minimum = alphabet + len(SPECIAL_TOKENS)
    with pytest.raises(
        ValueError, match=rf"tokenizer\.vocab_size {minimum - 1} is too small: 256 bytes.* need {minimum}, and"
    ):
        train(TEXTS, vocab_size=minimum - 1)
    assert train(TEXTS, vocab_size=minimum).vocab_size == minimum
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("train", "alphabet"), ALPHABETS.items())
def test_a_vocabulary_that_the_text_cannot_fill_is_reported(train, alphabet, capsys):
    size = train(TEXTS, vocab_size=5000).vocab_size
    assert alphabet + len(SPECIAL_TOKENS) < size < alphabet + 30
    assert f"only {size} of 5000 tokens: the text has no more" in capsys.readouterr().out

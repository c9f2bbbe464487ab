"""Every family refuses a vocabulary too small for its alphabet, and says when the text does not fill a larger one."""

import pytest

from lm.tokenizer import train_bpe, train_characters, train_unigram, train_wordpiece
from lm.tokenizer.special import SPECIAL_TOKENS

TEXTS = ["ab ab é é abc"]
ALPHABETS = {train_bpe: 256, train_characters: 256, train_unigram: 256, train_wordpiece: 2 * 256 + 1}


@pytest.mark.parametrize(("train", "alphabet"), ALPHABETS.items())
def test_the_least_size_is_told_and_enough(train, alphabet, capsys):
    least = alphabet + len(SPECIAL_TOKENS)
    with pytest.raises(
        ValueError, match=rf"tokenizer\.vocab_size {least - 1} is too small: 256 bytes.* need {least}, and"
    ):
        train(TEXTS, vocab_size=least - 1)
    assert train(TEXTS, vocab_size=least).vocab_size == least
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("train", "alphabet"), ALPHABETS.items())
def test_a_vocabulary_that_is_not_filled_says_how_many_it_has(train, alphabet, capsys):
    found = train(TEXTS, vocab_size=5000).vocab_size
    assert alphabet + len(SPECIAL_TOKENS) < found < alphabet + 30
    assert f"no more than {found} of 5000 tokens: the text has no further" in capsys.readouterr().out

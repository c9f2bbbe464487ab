"""A frequent character is a token, a rare one is written in bytes."""

import pytest

from lm.tokenizer import load_tokenizer, train_characters
from lm.tokenizer.tokenizer import SPECIAL_TOKENS

TEXTS = ["été, 日本語 日本 日", "naïve café\r\n", "🙂 once"]


def test_frequent_characters_are_tokens_and_rare_ones_bytes():
    tokenizer = train_characters(TEXTS)
    pieces = [tokenizer.decode_bytes([token]) for token in tokenizer.encode("é日🙂a")]
    assert pieces == ["é".encode(), "日".encode(), *(bytes([byte]) for byte in "🙂".encode()), b"a"]
    text = "anything: ß 語 \x00 <|user|> 👩‍👩‍👧\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.token_bytes[tokenizer.encode(text)].sum() == len(text.encode())


def test_the_most_frequent_fill_the_vocabulary_in_any_order_of_the_texts(tmp_path):
    size = 256 + len(SPECIAL_TOKENS) + 1
    first, second = train_characters(TEXTS, vocab_size=size), train_characters(TEXTS[::-1], vocab_size=size)
    assert first.content == second.content
    assert first.vocab_size == size
    assert len(first.encode("é")) == 1  # 4 times; 日 3 times
    assert len(first.encode("日")) == 3
    first.save(tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path).encode("été") == first.encode("été")


@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [(["a"], 261, "need 262"), ([], 1024, "no text"), (["", ""], 1024, "no text"), (["a\ud800"], 1024, "surrogate")],
)
def test_invalid_input_is_refused(texts, size, message):
    with pytest.raises(ValueError, match=message):
        train_characters(texts, vocab_size=size)

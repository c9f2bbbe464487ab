"""A tokenizer with a normalizer decodes to the normalized text, counts its bytes, and reports lost bytes."""

import pickle

import pytest
from tokenizers import normalizers

from lm.config.build import build
from lm.config.check import plain
from lm.tokenizer import load_tokenizer, measure, train_bpe, train_characters, train_unigram, train_wordpiece
from support.compositions import composition
from support.spaced import spaced_tokenizer

TEXTS = [f"cafe\u0301 number {i} is ﬁne and ² \n" for i in range(60)]
TRAINERS = {"bpe": train_bpe, "wordpiece": train_wordpiece, "unigram": train_unigram, "characters": train_characters}


@pytest.mark.parametrize("family", TRAINERS)
@pytest.mark.parametrize(("option", "read"), [("nfc", "café ﬁ ²"), ("nfkc", "café fi 2")])
def test_decoding_returns_the_normalized_text(family, option, read, tmp_path):
    overrides = [f"tokenizer={family}", f"tokenizer/normalizer={option}", "tokenizer.vocab_size=600"]
    config = plain(composition("tokenizer").compose(overrides))
    tokenizer = build(config["tokenizer"])(TEXTS)
    text = "cafe\u0301 ﬁ ²"
    tokenizer.save(tmp_path / "tokenizer.json")
    for same in (tokenizer, load_tokenizer(tmp_path), pickle.loads(pickle.dumps(tokenizer))):
        assert same.normalize(text) == same.decode(same.encode(text)) == read
        assert same.token_bytes[same.encode(text)].sum() == len(read.encode())
        assert not same.exact
    assert TRAINERS[family](TEXTS, vocab_size=600).normalize(text) == text


def test_a_vocabulary_is_trained_on_normalized_text():
    tokenizer = train_bpe(TEXTS, vocab_size=600, normalizer=normalizers.NFC())
    assert len(tokenizer.encode("cafe\u0301")) == 1
    assert tokenizer.encode("cafe\u0301") == tokenizer.encode("caf\u00e9")


def test_lost_characters_are_counted_in_bytes():
    tokenizer = train_bpe(TEXTS, vocab_size=600, normalizer=normalizers.NFKC())
    assert tokenizer.lost_bytes("plain text") == 0
    assert tokenizer.lost_bytes("e\u0301") == 3  # e and its accent, replaced by é
    assert tokenizer.lost_bytes("ﬁ ²²") == 3 + 2 + 2
    assert train_bpe(TEXTS, vocab_size=600).lost_bytes("e\u0301 ﬁ") == 0
    assert spaced_tokenizer().lost_bytes("a▁b") == 3
    assert measure(tokenizer, ["ﬁ a", "b"])["lost"] == pytest.approx(3 / 6)


def test_the_space_before_a_text_is_removed_again():
    tokenizer = spaced_tokenizer()
    for text in ("ab", " ab", "", "x  y", "\n", "é▁"):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == tokenizer.normalize(text) == text.replace("▁", " ")
        begun = [tokenizer.end_of_document, *ids, tokenizer.end_of_turn, *ids]
        assert tokenizer.decode(begun) == 2 * tokenizer.normalize(text)
        assert tokenizer.decode_bytes(ids, after=tokenizer.role_tokens["assistant"]).decode() == tokenizer.decode(ids)
    assert tokenizer.decode_bytes(tokenizer.encode("ab"), after=tokenizer.encode("ab")[0]) == b" ab"


def test_tokens_that_end_a_text_subtract_its_prefix():
    tokenizer = spaced_tokenizer()
    ids = [*tokenizer.encode("ab c"), tokenizer.end_of_document, *tokenizer.encode(" b"), tokenizer.end_of_turn]
    assert tokenizer.token_bytes[ids].sum() == len("ab c") + len(" b")


def test_measurements_ignore_the_prefix():
    result = measure(spaced_tokenizer(), ["ab ab", "ab"])
    assert (result["tokens"], result["bytes"], result["words_whole"], result["tokens_per_word"]) == (3, 7, 1, 1)
    assert result["lost"] == 0
    assert measure(spaced_tokenizer(), ["abcb"])["tokens_per_word"] == 3

"""Text goes to ids and back without loss, every byte is counted, and text never becomes a special token."""

import json
import pickle
import random

import numpy as np
import pytest
import regex
import tokenizers

from lm.tokenizer import Tokenizer, load_tokenizer, train_bpe, train_unigram, train_wordpiece
from lm.tokenizer.byte_alphabet import BYTE_OF
from lm.tokenizer.tokenizer import SPECIAL_TOKENS
from lm.tokenizer.words import GPT4

LINES = [f"def method_{i}(self, value={i}):\n        return self.other['key'] + value  # don't\n" for i in range(200)]
CHARACTERS = (
    [chr(c) for c in range(0x20, 0x7F)]
    + list("\0\x01\x07\t\n\r\x0b\x0c\x1b\x7f\x85\xa0\u200b\u2028\ufeff\ufffd\uffff")
    + list("éßΩжш中文字日本語한국어ไทยहिन्दी ا ل ع ر ب ي ة עברית")
    + [
        "🙂",
        "👩‍👩‍👧",
        "🇪🇺",
        "e\u0301",
        "ﬁ",
        "Ⅳ",
        "\U0010ffff",
        "    ",
        "\r\n",
        "'s",
        "'LL",
        "1234567",
        *SPECIAL_TOKENS,
    ]
)


def random_texts(count: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices(CHARACTERS, k=chance.randrange(60))) for _ in range(count)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_bpe(LINES, vocab_size=400)


def test_any_text_is_returned_and_every_byte_is_counted(tokenizer):
    for text in random_texts(2000):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode_bytes(ids) == text.encode()
        assert int(tokenizer.token_bytes[ids].sum()) == len(text.encode())


def test_each_token_counts_the_bytes_it_decodes_to(tokenizer):
    counted = [len(tokenizer.decode_bytes([i])) for i in range(tokenizer.vocab_size)]
    assert tokenizer.token_bytes.tolist() == counted
    assert tokenizer.token_bytes.dtype == np.int64
    assert tokenizer.vocab_size == 400


def test_batches_give_the_same_ids_as_single_texts(tokenizer):
    texts = random_texts(300, seed=1)
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == [tokenizer.encode(text) for text in texts]
    assert tokenizer.encode_batch([]) == []


def test_special_tokens_typed_in_a_text_stay_text(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    for same in (tokenizer, load_tokenizer(tmp_path), pickle.loads(pickle.dumps(tokenizer))):
        special = {same.end_of_document, same.padding, same.end_of_turn, *same.role_tokens.values()}
        assert len(special) == 6
        for token in SPECIAL_TOKENS:
            ids = same.encode(f"a{token}b") + same.encode_batch([token])[0].tolist()
            assert not special.intersection(ids)
            assert same.decode(ids) == f"a{token}b{token}"


@pytest.mark.parametrize("train", [train_bpe, train_unigram, train_wordpiece])
def test_no_training_makes_an_entry_of_a_special_token_that_texts_are_full_of(train):
    texts = ["<|user|>", "<|end_of_turn|>"]
    tokenizer = train(texts * 50, vocab_size=700, pattern=r"\S+|\s+")
    for text in texts:
        ids = tokenizer.encode(text)
        assert not set(tokenizer.special_tokens.values()).intersection(ids)
        assert tokenizer.decode(ids) == text


def test_special_tokens_decode_to_nothing(tokenizer):
    ids = [tokenizer.end_of_document, *tokenizer.encode("abc"), tokenizer.padding, tokenizer.end_of_turn]
    assert tokenizer.decode(ids) == "abc"
    assert tokenizer.token_bytes[[tokenizer.end_of_document, *tokenizer.role_tokens.values()]].sum() == 0


def test_ids_cut_inside_a_character_decode_to_its_exact_bytes(tokenizer):
    ids = tokenizer.encode("🙂")
    assert tokenizer.decode_bytes(ids[:2]) == "🙂".encode()[:2]
    assert "\ufffd" in tokenizer.decode(ids[:2])


@pytest.mark.parametrize("text", ["\ud800", "ab\udfffcd"])
def test_a_lone_surrogate_is_refused(tokenizer, text):
    with pytest.raises(ValueError, match="lone surrogate"):
        tokenizer.encode(text)
    with pytest.raises(ValueError, match="text 1 has the lone surrogate"):
        tokenizer.encode_batch(["fine", text])


def test_text_is_split_by_the_pattern(tokenizer):
    """Compared with the `regex` module, another engine."""
    split = tokenizers.Tokenizer.from_str(tokenizer.content).pre_tokenizer
    for text in random_texts(500, seed=2):
        expected = [piece.group() for piece in regex.finditer(GPT4, text)]
        assert "".join(expected) == text
        pieces = [bytes(BYTE_OF[c] for c in piece) for piece, _ in split.pre_tokenize_str(text)]
        assert pieces == [piece.encode() for piece in expected]


def test_pieces_are_those_of_gpt4(tokenizer):
    split = tokenizers.Tokenizer.from_str(tokenizer.content).pre_tokenizer
    text = "I'LL say  12345.5 foo_bar\n\n    x=1 //!!\r\n\tré's"
    shown = [bytes(BYTE_OF[c] for c in piece).decode() for piece, _ in split.pre_tokenize_str(text)]
    start = ["I", "'LL", " say", " ", " ", "123", "45", ".", "5", " foo", "_bar", "\n\n", "   "]
    assert shown == [*start, " x", "=", "1", " //!!\r\n", "\tré", "'s"]


def test_no_token_crosses_pieces(tokenizer):
    words = [tokenizer.decode_bytes([i]).decode(errors="ignore") for i in range(tokenizer.vocab_size)]
    assert not [word for word in words if regex.search(r"\w\s|\d{4}", word)]
    assert any(word.isspace() and len(word) > 4 for word in words), "indentation is one token"


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    for path in (tmp_path, str(tmp_path / "tokenizer.json")):
        loaded = load_tokenizer(path)
        assert loaded.fingerprint == tokenizer.fingerprint
        assert all(map(np.array_equal, loaded.encode_batch(LINES), tokenizer.encode_batch(LINES)))
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]


def test_tokenizers_and_transformers_can_open_the_file(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path / "tokenizer.json")
    plain = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    text = "def f(x):\n    return 'é 🙂 12345'"
    assert plain.encode(text).ids == tokenizer.encode(text)
    assert fast.encode(text) == tokenizer.encode(text)
    assert fast.decode(tokenizer.encode(text)) == text
    assert fast.convert_tokens_to_ids("<|end_of_turn|>") == tokenizer.end_of_turn
    assert json.loads(tokenizer.content)["normalizer"] is None


def test_of_special_tokens_with_a_common_start_the_longest_is_matched():
    backend = tokenizers.Tokenizer.from_str(train_bpe(["ab"], vocab_size=280).content)
    backend.add_special_tokens(["<t", "<t>", "<t>>"])
    made = Tokenizer(backend.to_str())
    assert made.split_special("a<t>><t><tb") == [
        "a",
        *(made.special_tokens[name] for name in ("<t>>", "<t>", "<t")),
        "b",
    ]

"""Which vocabularies can write every text, and the bytes of their entries."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from lm.tokenizer import load_tokenizer
from lm.tokenizer.byte_alphabet import IN_TEXT, to_text
from lm.tokenizer.load import with_special_tokens


def byte_level(values, *, added=(), prefixes=("",)) -> Tokenizer:
    """A byte-level vocabulary of these single bytes; with two prefixes it is WordPiece."""
    entries = [prefix + to_text(bytes([value])) for value in values for prefix in prefixes]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    if len(prefixes) > 1:
        model = models.WordPiece(
            vocabulary | {"‧": len(vocabulary)},
            unk_token="‧",
            continuing_subword_prefix=prefixes[1],
            max_input_chars_per_word=10**9,
        )
    else:
        model = models.BPE(vocabulary, [])
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["‧"] if len(prefixes) > 1 else [])
    backend.add_tokens(list(added))
    return backend


def test_the_bytes_of_a_text_are_those_that_utf8_uses():
    points = [*range(0x80), 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF]
    points += [point for point in range(0x80, 0x110000, 0x21) if not 0xD800 <= point < 0xE000]
    assert {byte for point in points for byte in chr(point).encode()} == IN_TEXT
    assert len(IN_TEXT) == 243


def test_a_vocabulary_without_the_thirteen_bytes_that_no_text_has_is_taken(tmp_path):
    """As those of GPT-NeoX, Pythia, OLMo and MPT."""
    byte_level(sorted(IN_TEXT)).save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    every = "".join(chr(point) for point in (*range(0x80), 0x85, 0xE9, 0x7FF, 0x800, 0xFFFD, 0xFFFF, 0x10FFFF))
    for text in (every, "", "é" * 3):
        ids = tokenizer.encode(text)
        assert tokenizer.decode_bytes(ids) == text.encode()
        assert tokenizer.token_bytes[ids].sum() == len(text.encode())
        assert tokenizer.encode_batch([text])[0].tolist() == ids


@pytest.mark.parametrize("missing", [0x00, 0x41, 0x80, 0xC2, 0xF4])
def test_a_vocabulary_that_lacks_a_byte_of_texts_is_refused_by_name(missing):
    with pytest.raises(ValueError, match=rf"lacks 1 of the 243 bytes that occur in UTF-8 \(0x{missing:02X} …\)"):
        with_special_tokens(byte_level(sorted(IN_TEXT - {missing})).to_str())


def test_wordpiece_needs_every_byte_at_the_start_of_a_word_and_within():
    whole = json.loads(byte_level(sorted(IN_TEXT), prefixes=("", "##")).to_str())
    assert with_special_tokens(json.dumps(whole)).encode("aa") == [0x61 * 2, 0x61 * 2 + 1]
    del whole["model"]["vocab"]["##" + to_text(b"a")]
    with pytest.raises(ValueError, match=r"lacks 1 of the 243 bytes .*0x61"):
        with_special_tokens(json.dumps(whole))


def test_an_added_token_whose_id_writes_other_bytes_is_refused_with_a_remedy_that_works():
    content = byte_level(range(256), added=[AddedToken("é", normalized=False)]).to_str()
    with pytest.raises(ValueError, match=r"added token 'é' matches that text, .* bytes .*xe9.*: remove it from"):
        with_special_tokens(content)
    tokenizer = with_special_tokens(json.dumps(json.loads(content) | {"added_tokens": []}))
    assert tokenizer.encode("é") == [0xC3, 0xA9]


def test_ids_without_an_entry_have_no_bytes():
    backend = json.loads(byte_level(range(256)).to_str())
    backend["model"]["vocab"]["ab"] = 300  # as in a vocabulary with holes
    tokenizer = with_special_tokens(json.dumps(backend))
    assert tokenizer.token_bytes[256:300].sum() == 0
    assert tokenizer.decode([ord("a"), 270, ord("b"), 10_000]) == "ab", "a padded embedding has ids beyond the file"


@pytest.mark.parametrize("kind", ["unigram", "whole words"])
def test_a_model_that_makes_special_tokens_of_typed_text_is_refused(kind):
    entries = ["<s>", *map(chr, range(0x21, 0x7F)), *(c for c in to_text(bytes(range(256))) if not "!" <= c <= "~")]
    if kind == "unigram":
        model = models.Unigram([(entry, -1.0) for entry in entries], None, False)
    else:
        model = models.BPE({entry: number for number, entry in enumerate(entries)}, [], ignore_merges=True)
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    with_special_tokens(backend.to_str())
    backend.add_special_tokens(["<s>"])
    with pytest.raises(ValueError, match="'<s>' typed in a text would become that special token"):
        with_special_tokens(backend.to_str())

"""Added tokens of plain text keep the ids of `tokenizers`, and every byte is counted."""

import json
import random

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from lm.tokenizer import Tokenizer as Ours
from lm.tokenizer.byte_alphabet import CHARACTER_OF
from lm.tokenizer.load import with_special_tokens

PIECES = [
    *"abx ▁\n\té>=",
    "  ",
    "   ",
    "<tool_call>",
    "<tool>",
    "▁▁",
    "<h1>",
    "\u0338",
    "e\u0301",
    "ABC",
    "abc",
    "<|user|>",
]


def gemma(added: list[AddedToken], *, normalizer=None, vocabulary=("▁▁", "<h1>")) -> Tokenizer:
    """A tokenizer like Gemma's: blanks as ▁, byte fallback, and added tokens that stand in the vocabulary."""
    entries = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abce<>h1", *vocabulary]
    model = models.BPE({entry: n for n, entry in enumerate(entries)}, [], unk_token="<unk>", byte_fallback=True)
    backend = Tokenizer(model)
    backend.normalizer = normalizer or normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.add_special_tokens(["<unk>"])
    backend.add_tokens(added)
    return backend


def byte_level(added: list[AddedToken], *, normalizer=None) -> Tokenizer:
    """A tokenizer like those of Qwen and Phi: bytes, and added tokens outside the vocabulary."""
    backend = Tokenizer(models.BPE({CHARACTER_OF[byte]: byte for byte in range(256)}, []))
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|end|>", "<tool>x"])
    backend.add_tokens(added)
    return backend


def plain(*contents: str, **flags) -> list[AddedToken]:
    return [AddedToken(content, special=False, **flags) for content in contents]


KINDS = {
    "blanks in the vocabulary": gemma(plain("▁▁", "<h1>", normalized=False)),
    "blanks in the vocabulary, normalized": gemma(plain("▁▁", "<h1>", normalized=True)),
    "blanks outside the vocabulary": gemma(plain("▁▁▁", "<tool>", normalized=True), vocabulary=()),
    "tools": byte_level(plain("<tool_call>", "<tool>", normalized=False)),
    "tools and composed accents": byte_level(
        plain("<tool_call>", "a=", normalized=False), normalizer=normalizers.NFC()
    ),
    "runs of blanks": byte_level(plain("  ", "   ", normalized=True), normalizer=normalizers.NFC()),
    "normalized to lower case": byte_level(plain("ABC", normalized=True), normalizer=normalizers.Lowercase()),
    "verbatim capitals": byte_level(plain("ABC", normalized=False), normalizer=normalizers.Lowercase()),
    "single words": byte_level(plain("ab", normalized=False, single_word=True), normalizer=normalizers.NFC()),
}


def check(tokenizer: Ours, backend: Tokenizer) -> None:
    draw = random.Random(0)
    backend.encode_special_tokens = True
    texts = ["".join(draw.choices(PIECES, k=draw.randrange(14))) for _ in range(400)] + ["", "▁▁", "<tool_call>\u0338"]
    assert tokenizer.engine in ("fastokens", "tokenizers")  # chooses it
    for text, batch in zip(texts, tokenizer.encode_batch(texts), strict=True):
        ids = tokenizer.encode(text)
        assert ids == backend.encode(text, add_special_tokens=False).ids == batch.tolist(), text
        read = tokenizer.normalize(text)
        assert tokenizer.decode(ids) == read, text
        assert tokenizer.token_bytes[ids].sum() == len(read.encode()), text


@pytest.mark.parametrize("kind", KINDS)
def test_added_tokens_of_plain_text_are_taken_and_counted(kind):
    tokenizer = with_special_tokens(KINDS[kind].to_str())
    check(tokenizer, KINDS[kind])
    if KINDS[kind].normalizer is None:
        assert tokenizer.exact


def test_the_text_of_blanks_is_a_space():
    tokenizer = with_special_tokens(KINDS["blanks in the vocabulary"].to_str())
    assert tokenizer.decode(tokenizer.encode("A  é▁▁\n")) == "A  é  \n"


@pytest.mark.parametrize("flag", ["lstrip", "rstrip"])
def test_an_added_token_that_swallows_blanks_is_refused_with_a_remedy_that_works(flag):
    content = byte_level(plain("</s>", normalized=False, **{flag: True})).to_str()
    with pytest.raises(ValueError, match=rf'the added token \'</s>\' swallows the blanks .* set "{flag}": false'):
        with_special_tokens(content)
    described = json.loads(content)
    described["added_tokens"][-1][flag] = False
    assert with_special_tokens(json.dumps(described)).encode("</s>") == [258]
    described["added_tokens"][-1] |= {flag: True, "special": True}
    tokenizer = with_special_tokens(json.dumps(described))
    assert tokenizer.decode(tokenizer.encode("a </s> b")) == "a </s> b"
    assert tokenizer.special_tokens["</s>"] not in tokenizer.encode("</s>")


def test_an_added_token_after_which_a_space_is_added_is_refused_with_a_remedy_that_works():
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend = gemma(plain("<h1>", normalized=False), normalizer=normalizer)
    with pytest.raises(ValueError, match=r"texts with the added token '<h1>' are not given back .*\"special\": true"):
        with_special_tokens(backend.to_str())
    described = json.loads(backend.to_str())
    described["added_tokens"][-1]["special"] = True
    assert with_special_tokens(json.dumps(described)).normalize("a<h1> b") == "a<h1> b"


def test_an_added_token_that_is_written_as_a_single_byte_is_refused():
    with pytest.raises(ValueError, match="added token '<0x0A>' matches that text, and the model writes the bytes"):
        with_special_tokens(gemma(plain("<0x0A>", normalized=False)).to_str())

"""llama.cpp gives the ids of our tokenizers, or the export is refused in words."""

import json
import random
import re
from functools import cache
from pathlib import Path

import pytest
import tokenizers
import torch
import yaml
from tokenizers import AddedToken

from lm.config.outline import config_directory
from lm.interchange.gguf.file import write_gguf
from lm.interchange.gguf.splits import CL100K, GPT2, LLAMA3, O200K, QWEN35, TEKKEN
from lm.interchange.gguf.vocabulary import vocabulary_of
from lm.tokenizer import (
    Tokenizer,
    byte_tokenizer,
    sentencepiece_tokenizer,
    train_bpe,
    train_characters,
    train_unigram,
    train_wordpiece,
)
from support.llama_cpp import LlamaCpp
from support.shared_texts import DATA, needs_data

TEXT = ["The cats don't sit, they'LL run 12345 times.\r\n\r\n\tdef f(x):\n    return x  # été, über 日本語 🙂\n"] * 3
PIECES = [
    *["'s", "'S", "'ll", "'Re", "'d", "ſ", "'", " ", "  ", "   ", "\r\n", "\r\n\r\n", "\n\n", "\n \n", "\t", "\n   x"],
    *["12345678", "007", "٣½Ⅷ", "don", "T", "été", "ÉtÉ", "...", "--", "_x_", "{}", "the ", "return"],
    *["日本", "🙂", "👩‍👩‍👧", "e\u0301", "\u00a0", "\u2028", "\u3000", "\x00", "हिन्दी", "ﬁ", "▁"],
    *["A" * 70, "<0x0A>", "[PAD3]"],
]  # fmt: skip


def texts(tokenizer: Tokenizer) -> list[str]:
    """Random texts, some with typed special tokens; none has an apostrophe before ſ, or ends in blanks."""
    draw = random.Random(0)
    pieces = [*PIECES, *tokenizer.special_tokens]
    drawn = ["".join(draw.choices(pieces, k=draw.randrange(1, 16))) for _ in range(120)]
    return [text.replace("'ſ", "ſ'") + "." for text in drawn]


def pattern(name: str) -> str:
    return yaml.safe_load((config_directory() / "tokenizer" / "pattern" / f"{name}.yaml").read_text())["pattern"]


def changed(tokenizer: Tokenizer, **changes) -> Tokenizer:
    """The tokenizer with other parts of its tokenizer.json."""
    described = json.loads(tokenizer.content)
    model = changes.pop("model", {})
    return Tokenizer(json.dumps(described | changes | {"model": described["model"] | model}))


def with_added(*plain: str, **options) -> Tokenizer:
    backend = tokenizers.Tokenizer.from_str(bpe().content)
    backend.add_tokens([AddedToken(each, special=False, normalized=False, **options) for each in plain])
    return Tokenizer(backend.to_str())


@cache
def bpe(expression: str = pattern("gpt4")) -> Tokenizer:
    return train_bpe(TEXT, vocab_size=330, pattern=expression)


def published(*before: dict) -> Tokenizer:
    """A tokenizer split by the regular expression within the library's ByteLevel."""
    last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    steps = {"type": "Sequence", "pretokenizers": [*before, last]} if before else last
    return changed(bpe(GPT2), pre_tokenizer=steps)


def as_llama2(folder: Path, **options) -> Tokenizer:
    """A SentencePiece model as Llama 2 has one: BPE, bytes for what it lacks, a blank before each text."""
    library = pytest.importorskip("sentencepiece")
    settings = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True}
    settings |= {"model_type": "bpe", "vocab_size": 330, "character_coverage": 0.98, "minloglevel": 5}
    with (folder / "x.model").open("wb") as file:
        library.SentencePieceTrainer.train(sentence_iterator=iter(TEXT), model_writer=file, **settings | options)
    return sentencepiece_tokenizer([], path=str(folder / "x.model"))


def write(path: Path, tokenizer: Tokenizer, **options) -> list[str]:
    """Write a model of one tiny layer with a tokenizer; return the notes."""
    rows = tokenizer.vocab_size + 3  # the embedding is padded
    vocabulary = vocabulary_of(tokenizer, rows=rows, ends=tokenizer.ends, opens=True, template=None, **options)
    sizes = {"block_count": 1, "context_length": 64, "embedding_length": 32, "feed_forward_length": 32}
    sizes |= {"attention.head_count": 1, "attention.layer_norm_rms_epsilon": 1e-5, "rope.dimension_count": 32}
    fields = {"general.architecture": "llama"} | {f"llama.{key}": value for key, value in sizes.items()}
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    weights = {f"blk.0.{part}.weight": torch.eye(32) for part in parts}
    weights |= {f"blk.0.{part}.weight": torch.ones(32) for part in ("attn_norm", "ffn_norm")}
    weights |= {"token_embd.weight": torch.ones(rows, 32), "output_norm.weight": torch.ones(32)}
    write_gguf(path, fields | vocabulary.fields, weights, kind="f16")
    return vocabulary.notes


HELD = {
    "ours": bpe,
    "single digits": lambda: bpe(pattern("digits")),
    "split of GPT-2": lambda: bpe(pattern("gpt2")),
    "bytes": lambda: byte_tokenizer([]),
    "added tokens": lambda: with_added("<tool>", "éa", "  ", "   ", "don't"),
    "as GPT-2 publishes it": lambda: published(),
    "as SmolLM publishes it": lambda: published({"type": "Digits", "individual_digits": True}),
    "as Llama 3 publishes it": lambda: changed(bpe(LLAMA3), model={"ignore_merges": True}),
    "as Qwen2 publishes it": lambda: bpe(LLAMA3.replace("{1,3}", "")),
    "as Qwen3.5 publishes it": lambda: bpe(QWEN35),
    "as GPT-4 publishes it": lambda: bpe(CL100K),
}


def assert_the_same(tokenizer: Tokenizer, file: Path) -> None:
    write(file, tokenizer)
    llama = LlamaCpp(file)
    for text in texts(tokenizer):
        assert llama.encode(text) == tokenizer.encode(text), text
    assert llama.encode("hello", begin=True) == [*tokenizer.opening, *tokenizer.encode("hello")]
    names, ids = zip(*sorted(tokenizer.special_tokens.items()), strict=True)
    assert llama.encode("".join(names), special=True) == [*ids]


@pytest.mark.parametrize("name", HELD)
def test_llama_cpp_gives_our_ids_on_random_texts(name, tmp_path):
    assert_the_same(HELD[name](), tmp_path / "x.gguf")


@pytest.mark.parametrize("options", [{}, {"add_dummy_prefix": False}], ids=["as Llama 2", "as Gemma"])
def test_llama_cpp_gives_the_ids_of_sentencepiece(options, tmp_path):
    assert_the_same(as_llama2(tmp_path, **options), tmp_path / "x.gguf")


@needs_data
@pytest.mark.slow
def test_the_vocabulary_of_llama_2_keeps_its_ids(tmp_path):
    path = DATA / "tokenizers" / "llama2_tokenizer.model"
    assert_the_same(sentencepiece_tokenizer([], path=str(path)), tmp_path / "x.gguf")


def test_the_split_and_added_tokens_of_gemma_change_no_ids(tmp_path):
    split = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    backend = tokenizers.Tokenizer.from_str(as_llama2(tmp_path, add_dummy_prefix=False).content)
    backend.add_tokens([AddedToken(each, special=False, normalized=False) for each in ("\n\n", "\n\n\n", "<b>")])
    assert_the_same(changed(Tokenizer(backend.to_str()), pre_tokenizer=split), tmp_path / "x.gguf")


def test_a_special_token_that_llama_cpp_reads_in_texts_is_named(tmp_path):
    backend = tokenizers.Tokenizer.from_str(bpe().content)
    backend.add_special_tokens([AddedToken("<|start|>", special=True, normalized=False)])
    notes = write(tmp_path / "x.gguf", Tokenizer(backend.to_str()))
    assert notes[1:] == ["llama.cpp reads <|start|> typed in a text as that token"]
    assert LlamaCpp(tmp_path / "x.gguf").encode("<|start|>") == [bpe().vocab_size]


def test_what_is_split_otherwise_is_said_and_nothing_else(tmp_path):
    (note,) = write(tmp_path / "x.gguf", bpe())
    assert note == "llama.cpp splits an apostrophe followed by ſ (U+017F) otherwise: such texts get other ids there"
    old = train_bpe(["ſt aſt"] * 9, vocab_size=270)
    write(tmp_path / "x.gguf", old)
    llama = LlamaCpp(tmp_path / "x.gguf")
    assert llama.encode("'ſt") != old.encode("'ſt")
    assert llama.encode("ſt'st ſ'") == old.encode("ſt'st ſ'")
    assert write(tmp_path / "y.gguf", bpe(pattern("gpt2"))) == []


def test_a_normalizer_of_published_models_is_named(tmp_path):
    note, *_ = write(tmp_path / "x.gguf", changed(bpe(), normalizer={"type": "NFC"}))
    assert note == "llama.cpp does not normalize: texts that are not in Unicode's form NFC get other ids there"


def test_a_split_that_llama_cpp_has_only_nearly_needs_consent(tmp_path):
    with pytest.raises(ValueError, match=r"combining marks, as in Hindi: set format.inexact=true to accept that, or"):
        write(tmp_path / "x.gguf", bpe(O200K))
    assert "combining marks" in write(tmp_path / "x.gguf", bpe(O200K), inexact=True)[0]
    llama = LlamaCpp(tmp_path / "x.gguf")
    for text in map(str.encode, texts(bpe(O200K))[:40]):
        plain = text.decode("ascii", "ignore").upper()
        assert llama.encode(plain) == bpe(O200K).encode(plain), plain


def test_ids_of_a_padded_embedding_are_unused():
    fields = vocabulary_of(bpe(), rows=bpe().vocab_size + 2, ends=bpe().ends, opens=True, template=None).fields
    assert fields["tokenizer.ggml.tokens"][-2:] == [f"[PAD{bpe().vocab_size}]", f"[PAD{bpe().vocab_size + 1}]"]
    assert fields["tokenizer.ggml.token_type"][-2:] == [5, 5]


def test_tokens_are_named_by_their_roles_and_the_template_is_inside():
    ours = bpe()
    ends = [ours.end_of_document, ours.end_of_turn]
    fields = vocabulary_of(ours, rows=ours.vocab_size, ends=ends, opens=True, template="{{ messages }}").fields
    assert fields["tokenizer.ggml.bos_token_id"] == fields["tokenizer.ggml.eos_token_id"] == ours.end_of_document
    assert fields["tokenizer.ggml.eot_token_id"] == ours.end_of_turn
    assert fields["tokenizer.ggml.padding_token_id"] == ours.padding
    assert fields["tokenizer.ggml.add_bos_token"] is True
    assert fields["tokenizer.ggml.add_eos_token"] is False
    assert fields["tokenizer.chat_template"] == "{{ messages }}"


REFUSED = {
    "the family Unigram, only BPE": lambda: train_unigram(TEXT, vocab_size=300),
    "the family WordPiece, only BPE": lambda: train_wordpiece(TEXT, vocab_size=540),
    r"the split '[\s\S]'": lambda: train_characters(TEXT, vocab_size=262, min_frequency=1),
    r"the split ' ?\S+|": lambda: bpe(pattern("plain")),
    "takes entries whole": lambda: changed(bpe(GPT2), model={"ignore_merges": True}),
    "combining marks": lambda: changed(bpe(TEKKEN), model={"ignore_merges": True}),
    "the normalizer NFKC": lambda: changed(bpe(), normalizer={"type": "NFKC"}),
    "the added token 'word' that is single_word": lambda: with_added("word", single_word=True),
    "the added tokens 'ab' and 'bcd', which overlap": lambda: with_added("ab", "bcd"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_llama_cpp_does_not_have_is_refused_with_a_remedy(reason):
    tokenizer = REFUSED[reason]()
    with pytest.raises(ValueError, match=re.escape(reason)) as refusal:
        vocabulary_of(tokenizer, rows=tokenizer.vocab_size, ends=tokenizer.ends, opens=True, template=None)
    assert "format=huggingface" in str(refusal.value)


def test_a_model_of_sentencepiece_with_its_own_normalization_is_refused(tmp_path):
    tokenizer = as_llama2(tmp_path, normalization_rule_name="nmt_nfkc")
    with pytest.raises(ValueError, match="a SentencePiece model with its own normalization: export it with"):
        vocabulary_of(tokenizer, rows=tokenizer.vocab_size, ends=tokenizer.ends, opens=True, template=None)


def test_merges_that_scores_cannot_express_are_refused(tmp_path):
    tokenizer = as_llama2(tmp_path)
    merges = json.loads(tokenizer.content)["model"]["merges"]
    for broken, reason in ((merges[:-1], "spell but no merge makes"), ([*merges, merges[0]], "early and late")):
        fewer = changed(tokenizer, model={"merges": broken})
        with pytest.raises(ValueError, match=reason):
            vocabulary_of(fewer, rows=fewer.vocab_size, ends=fewer.ends, opens=True, template=None)


def test_a_token_named_as_those_of_a_padded_embedding_is_refused():
    tokenizer = with_added("[PAD335]")
    with pytest.raises(ValueError, match=r"two ids, 330 and 335, of one text '\[PAD335\]'"):
        vocabulary_of(tokenizer, rows=340, ends=tokenizer.ends, opens=True, template=None)

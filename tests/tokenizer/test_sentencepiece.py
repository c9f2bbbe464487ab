"""SentencePiece models give the ids of SentencePiece, and every byte of a text is counted."""

import io
import random
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend

from lm.process.failure import install_hint
from lm.tokenizer import load_tokenizer, sentencepiece_tokenizer
from lm.tokenizer.engine import _mixed_texts
from lm.tokenizer.load import with_special_tokens

FILES = Path(__file__).parents[3] / "shared" / "data" / "tokenizers"
MODELS = ["llama2_tokenizer.model", "mistral_tokenizer.model.v1", "mistral_mistral_instruct_tokenizer_240323.model.v3"]
PIECES = [*"abcdefgh ABC  \n\t=-_.,'\"0123 \r\x00éßж中🙂▁", "e\u0301", "<s>", "<0x0A>", "    ", "aaa", "\n\n", "[INST]"]
RUNS = ["a", "aa", " ", "=", "ba", "--", "  "]  # several merges make the same piece
needs_files = pytest.mark.skipif(not FILES.is_dir(), reason="the vocabulary files are not there")


def texts() -> list[str]:
    draw = random.Random(0)
    pieces = ["".join(draw.choices(PIECES, k=draw.randrange(60))) for _ in range(1500)]
    return [
        *pieces,
        *("".join(draw.choices(RUNS, k=draw.randrange(60))) for _ in range(700)),
        *_mixed_texts(draw, 700),
        "",
    ]


def assert_the_same(tokenizer, original) -> None:
    for text in texts():
        assert_same_ids(tokenizer, original, text)


def assert_same_ids(tokenizer, original, text: str) -> None:
    ids = tokenizer.encode(text)
    assert ids == original.encode(text), text
    read = tokenizer.normalize(text)
    assert tokenizer.decode(ids) == read, text
    assert tokenizer.token_bytes[ids].sum() == len(read.encode()) + (len(tokenizer.prefix) if ids else 0), text


@needs_files
@pytest.mark.parametrize("file", MODELS)
def test_llama_and_mistral_keep_the_ids_of_sentencepiece(file):
    original = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=str(FILES / file))
    tokenizer = sentencepiece_tokenizer([], path=str(FILES / file))
    assert_the_same(tokenizer, original)
    assert tokenizer.prefix == b" "
    assert tokenizer.encode("hello") == tokenizer.encode_batch(["hello"])[0].tolist() != tokenizer.encode(" hello")
    assert not {*range(3), tokenizer.end_of_turn} & {*tokenizer.encode("<s></s><unk><|end_of_turn|>[INST]")}


IDENTITY = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
KINDS = {
    "like Llama": IDENTITY,
    "blanks squeezed": {"normalization_rule_name": "identity"},
    "no space before": {**IDENTITY, "add_dummy_prefix": False, "user_defined_symbols": ["<0x0A>x", "\n\n"]},
    "pieces of many words": {**IDENTITY, "split_by_whitespace": False},
}


def trained(path: Path, **options) -> str:
    trainer = pytest.importorskip("sentencepiece").SentencePieceTrainer
    draw, model = random.Random(1), io.BytesIO()
    lines = [" ".join("".join(draw.choices("abcdeé", k=draw.randint(1, 4))) for _ in range(8)) for _ in range(500)]
    defaults = {"model_type": "bpe", "vocab_size": 400, "byte_fallback": True, "minloglevel": 2}
    trainer.train(sentence_iterator=iter(lines), model_writer=model, **{**defaults, **options})
    path.write_bytes(model.getvalue())
    return str(path)


@pytest.mark.parametrize("kind", KINDS)
def test_models_of_every_supported_kind_keep_their_ids(kind, tmp_path):
    path = trained(tmp_path / "x.model", **KINDS[kind])
    original = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=path)
    tokenizer = sentencepiece_tokenizer([], path=path)
    assert_the_same(tokenizer, original)
    assert tokenizer.prefix == (b"" if kind == "no space before" else b" ")


SYMBOLS = {
    "none": [],
    "marks": ["<n>", "@", "@@"],
    "blanks": ["▁▁", "▁▁▁", "\n\n"],
    "a blank first": ["▁b", "@"],
    "a blank last": ["b▁", "@"],
    "spaces": ["a b", " c"],
    "letters": ["ab", "é", "<0x0A>b", "12"],
}
LEFT_TO_THE_LIBRARY = {  # by the space before a text, and by squeezing
    "blanks": {(True, True), (True, False), (False, True)},
    "a blank first": {(True, True), (True, False)},
    "a blank last": {(True, True), (False, True)},
    "spaces": {(True, True), (False, True)},
}


def symbol_texts(symbols: list[str]) -> list[str]:
    """Texts with the symbols next to blanks, at the start and the end, doubled, alone."""
    draw = random.Random(2)
    pieces = [*"abcé12 \n\t@<n>▁", "  ", "   ", "<s>", "<unk>", "<c>", "<0x0A>", "中", "🙂", *symbols * 3]
    around = ["", " ", "  ", "a", "▁", "\n", "中"]
    return [
        *(f"{left}{symbol}{right}" for symbol in symbols for left in around for right in (*around, symbol)),
        *("".join(draw.choices(pieces, k=draw.randrange(12))) for _ in range(300)),
        *around,
    ]


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("squeeze", [True, False])
@pytest.mark.parametrize("kind", SYMBOLS)
def test_own_symbols_get_the_ids_of_sentencepiece(kind, squeeze, prefix, tmp_path):
    options = {"add_dummy_prefix": prefix, "remove_extra_whitespaces": squeeze, "split_digits": True}
    symbols = {"user_defined_symbols": SYMBOLS[kind], "control_symbols": ["<c>"]}
    path = trained(tmp_path / "x.model", normalization_rule_name="identity", **options, **symbols)
    original = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=path)
    tokenizer = sentencepiece_tokenizer([], path=path)
    assert (tokenizer.engine == "sentencepiece") == ((prefix, squeeze) in LEFT_TO_THE_LIBRARY.get(kind, ()))
    texts = symbol_texts(SYMBOLS[kind])
    saved = with_special_tokens(tokenizer.content)
    for text, batch, same in zip(texts, tokenizer.encode_batch(texts), saved.encode_batch(texts), strict=True):
        assert_same_ids(tokenizer, original, text)
        assert batch.tolist() == same.tolist() == original.encode(text), text


@needs_files
def test_the_user_defined_pieces_of_mistral_are_used():
    file = str(FILES / MODELS[-1])
    original = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=file)
    tokenizer = sentencepiece_tokenizer([], path=file)
    for text in symbol_texts([f"[REFERENCE_DOC_{number}]" for number in (0, 1, 19)]):
        assert_same_ids(tokenizer, original, text)


UNIGRAM = {"model_type": "unigram", "vocab_size": 400, "hard_vocab_limit": False, "byte_fallback": False}
LIBRARY = {  # models that only sentencepiece encodes as sentencepiece does
    "unigram with bytes": {**UNIGRAM, "byte_fallback": True, "normalization_rule_name": "identity"},
    "unigram as T5": UNIGRAM,  # nmt_nfkc, blanks squeezed, no bytes
    "unigram with symbols": {**UNIGRAM, "user_defined_symbols": ["@@", "a b", "▁▁", "\n"], "control_symbols": ["<c>"]},
    "unigram, a space after a word": {**UNIGRAM, **IDENTITY, "treat_whitespace_as_suffix": True},
    "unigram, case folded, no space before": {
        **UNIGRAM,
        "normalization_rule_name": "nmt_nfkc_cf",
        "add_dummy_prefix": False,
    },
    "BPE with a character map": {"normalization_rule_name": "nmt_nfkc"},
    "BPE without bytes": {**IDENTITY, "byte_fallback": False, "vocab_size": 100},
    "BPE, a space after a word": {**IDENTITY, "treat_whitespace_as_suffix": True},
    "characters": {"model_type": "char", "byte_fallback": False, "hard_vocab_limit": False},
    "words": {"model_type": "word", "byte_fallback": False, "hard_vocab_limit": False},
}


@pytest.mark.parametrize("kind", LIBRARY)
def test_every_other_model_keeps_the_ids_of_sentencepiece_also_saved(kind, tmp_path):
    path = trained(tmp_path / "x.model", **LIBRARY[kind])
    original = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=path)
    tokenizer = sentencepiece_tokenizer([], path=path)
    assert tokenizer.engine == "sentencepiece"
    assert_the_same(tokenizer, original)
    tokenizer.save(tmp_path / "tokenizer.json")
    saved, several = load_tokenizer(tmp_path), [*texts()[::7], "a@@ a b\n<c>", "①ﬁ ＡＢ"]
    assert saved.fingerprint == tokenizer.fingerprint
    assert [ids.tolist() for ids in saved.encode_batch(several)] == [original.encode(text) for text in several]
    typed = "".join(tokenizer.special_tokens)
    assert not {*tokenizer.special_tokens.values()} & {*tokenizer.encode(typed)}
    assert Backend.from_str(tokenizer.content).get_vocab_size() == tokenizer.vocab_size  # others can open the file


def test_what_the_vocabulary_lacks_is_read_as_a_mark_and_counted_as_lost(tmp_path):
    tokenizer = sentencepiece_tokenizer([], path=trained(tmp_path / "x.model", **UNIGRAM))
    assert tokenizer.normalize("ab 中中 ①") == "ab  ⁇   ⁇ "
    assert tokenizer.decode(tokenizer.encode("ab 中中 ①")) == "ab  ⁇   ⁇ "
    assert tokenizer.lost_bytes("ab 中中 ①") == len("中中①".encode())
    assert tokenizer.lost_bytes("ab") == 0


def test_equally_likely_segmentations_are_chosen_as_sentencepiece_does(tmp_path):
    """In double precision, as `tokenizers` adds scores, other segmentations win."""
    path = trained(tmp_path / "x.model", **LIBRARY["unigram with bytes"])
    tokenizer, runs = sentencepiece_tokenizer([], path=path), ["a" * n + "b" * m for n in range(60) for m in range(30)]
    original = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=path)
    assert [tokenizer.encode(run) for run in runs] == [original.encode(run) for run in runs]


def test_a_lone_surrogate_is_named_by_its_place(tmp_path):
    tokenizer = sentencepiece_tokenizer([], path=trained(tmp_path / "x.model", **UNIGRAM))
    for encode in (lambda: tokenizer.encode("a\ud800"), lambda: tokenizer.encode_batch(["b", "a\ud800"])):
        with pytest.raises(ValueError, match=r"text \d has the lone surrogate '\\ud800' at character 1"):
            encode()


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    path = trained(tmp_path / "x.model", **UNIGRAM)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ImportError) as caught:
        sentencepiece_tokenizer([], path=path)
    assert "[sentencepiece]" in install_hint(caught.value)


def test_a_model_that_writes_spaces_as_bytes_of_another_character_is_refused(tmp_path):
    path = trained(tmp_path / "x.model", model_type="word", hard_vocab_limit=False)
    with pytest.raises(ValueError, match=r"x\.model has no piece ▁: it writes a space as the bytes of ▁"):
        sentencepiece_tokenizer([], path=path)


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"#version: 0.2\n", b"\x0a\x03"])
def test_a_file_of_another_format_is_refused_by_name(content, tmp_path):
    (tmp_path / "x.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.model is not a SentencePiece model"):
        sentencepiece_tokenizer([], path=str(tmp_path / "x.model"))
    with pytest.raises(ValueError, match=r"no file .*y\.model"):
        sentencepiece_tokenizer([], path=str(tmp_path / "y.model"))

"""SentencePiece models give the ids of SentencePiece, and every byte of a text is counted."""

import io
import random
from pathlib import Path

import pytest

from lm.tokenizer import sentencepiece_tokenizer
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
REFUSED = {  # by the space before a text, and by squeezing
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
def test_own_symbols_get_the_ids_of_sentencepiece_or_are_refused_by_name(kind, squeeze, prefix, tmp_path):
    options = {"add_dummy_prefix": prefix, "remove_extra_whitespaces": squeeze, "split_digits": True}
    symbols = {"user_defined_symbols": SYMBOLS[kind], "control_symbols": ["<c>"]}
    path = trained(tmp_path / "x.model", normalization_rule_name="identity", **options, **symbols)
    if (prefix, squeeze) in REFUSED.get(kind, ()):
        with pytest.raises(ValueError, match=r"ids could not be preserved: its? .*user-defined piece"):
            sentencepiece_tokenizer([], path=path)
        return
    original = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=path)
    tokenizer = sentencepiece_tokenizer([], path=path)
    assert tokenizer.engine in ("fastokens", "tokenizers")  # chooses it
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_type": "unigram"}, "whose ids could not be preserved: it is of type unigram"),
        ({"normalization_rule_name": "nmt_nfkc"}, "preserved: it maps characters .normalization_rule_name"),
        ({**IDENTITY, "treat_whitespace_as_suffix": True}, "preserved: it writes a space after a word"),
        ({**IDENTITY, "byte_fallback": False, "vocab_size": 100}, "has no byte pieces: .* lost as <unk>"),
    ],
)
def test_a_model_whose_ids_or_bytes_could_not_be_preserved_is_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=rf"x\.model .*{message}"):
        sentencepiece_tokenizer([], path=trained(tmp_path / "x.model", **options))


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"#version: 0.2\n", b"\x0a\x03"])
def test_a_file_of_another_format_is_refused_by_name(content, tmp_path):
    (tmp_path / "x.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.model is not a SentencePiece model"):
        sentencepiece_tokenizer([], path=str(tmp_path / "x.model"))
    with pytest.raises(ValueError, match=r"no file .*y\.model"):
        sentencepiece_tokenizer([], path=str(tmp_path / "y.model"))

"""Vocabularies of other libraries give the ids of those libraries."""

import base64
import gzip
import json
import random
import re
from functools import cache
from pathlib import Path

import pytest

from lm.config.build import build
from lm.config.check import plain
from lm.sources import SentencePairs
from lm.tokenizer import Tokenizer, load_tokenizer, premium
from lm.tokenizer.byte_alphabet import to_text
from lm.tokenizer.tokenizer import SPECIAL_TOKENS
from support.compositions import composition

FILES = Path(__file__).parents[3] / "shared" / "data" / "tokenizers"
needs_files = pytest.mark.skipif(not FILES.is_dir(), reason="the vocabulary files are not there")
RANKS = {bytes([n]): n for n in range(256)} | {b"he": 256, b"ll": 257, b"hell": 258, b" w": 259, b"llo": 260}
PIECES = [
    *"aeiou  \n\t.,;:'\"()[]{}0123456789ABCxyz", " the", "ing", "'s", "'LL", "don't", "  ", "\r\n", "\n\n", "    ",
    "1234567",    "é", "ß", "ſ", "İ", "中文", "日本語", "한국어", "ไทย", "हिन्दी", "عربى", "עברית", "🙂", "👩‍👩‍👧",
    "\u200b", "\xa0", "\u180e", " \u180e", "\x1c", "\ufeff", "\u3000", "e\u0301", "ǅ",
    "HelloWorld", "camelCase", "snake_case", "//", "a/b", "!!!", "\x00", "\x85", "\u2028", "½", "Ⅳ", *SPECIAL_TOKENS,
]  # fmt: skip


def texts(count: int) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choices(PIECES, k=draw.randrange(40))) for _ in range(count)]


def option(name: str, **keys: str):
    """Build `tokenizer=NAME` from its files."""
    overrides = [f"tokenizer={name}", *(f"tokenizer.{key}={value}" for key, value in keys.items())]
    config = plain(composition("tokenizer").compose(overrides))
    return build(config["tokenizer"])([])


@cache
def published(name: str) -> Tokenizer:
    """Build `tokenizer=NAME` from the file that OpenAI publishes; that takes seconds."""
    return option(name, path=str(FILES / f"{name}_base.tiktoken.gz"))


def written(path: Path, ranks: dict[bytes, int]) -> Path:
    path.write_text("".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items()))
    return path


def assert_equal_ids(tokenizer, original) -> None:
    given = texts(3000)
    assert tokenizer.engine in ("fastokens", "tokenizers")  # chooses it
    for text, batch in zip(given, tokenizer.encode_batch(given), strict=True):
        ids = tokenizer.encode(text)
        assert ids == batch.tolist(), text
        assert ids == original.encode(text, disallowed_special=()), text
        assert tokenizer.decode(ids) == text
        assert tokenizer.token_bytes[ids].sum() == len(text.encode())


@needs_files
@pytest.mark.parametrize("name", ["cl100k", "o200k"])
def test_tiktoken_files_give_the_ids_of_tiktoken(name, monkeypatch):
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken_ext import openai_public

    file = FILES / f"{name}_base.tiktoken.gz"
    lines = gzip.decompress(file.read_bytes()).splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: ranks)
    original = tiktoken.Encoding(**getattr(openai_public, f"{name}_base")())
    assert_equal_ids(published(name), original)


@pytest.mark.skipif(not (FILES.parent / "tatoeba112").is_dir(), reason="needs shared/data/tatoeba112")
def test_gpt4os_vocabulary_needs_fewer_tokens_for_other_languages_than_gpt4s():
    """As its makers announced it, for a real set of sentences."""
    charged = ("hin", "kat", "tam")
    found = SentencePairs(f"{FILES.parent}/tatoeba112/*.tar.gz")
    pairs = {language: sides for language, *sides in found if language in charged}
    assert len(pairs) == len(charged)
    for language, sides in pairs.items():
        paid = {name: premium(published(name), *sides)["tokens"] for name in ("cl100k", "o200k")}
        assert 1 < paid["o200k"] < 0.8 * paid["cl100k"], language


@needs_files
def test_gpt2_files_give_the_ids_of_gpt2(monkeypatch):
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks
    from tiktoken_ext import openai_public

    vocabulary, merges = FILES / "gpt2_vocab.json", FILES / "gpt2_merges.txt"
    ranks = data_gym_to_mergeable_bpe_ranks(vocab_bpe_file=str(merges), encoder_json_file=str(vocabulary))
    monkeypatch.setattr(openai_public, "data_gym_to_mergeable_bpe_ranks", lambda *_, **__: ranks)
    original = tiktoken.Encoding(**openai_public.gpt2())
    assert_equal_ids(option("gpt2", vocabulary=str(vocabulary), merges=str(merges)), original)


def test_special_tokens_follow_the_ids_of_a_tiktoken_file(tmp_path):
    tokenizer = option("cl100k", path=str(written(tmp_path / "own.tiktoken", RANKS)))
    assert tokenizer.encode("hello w") == [258, ord("o"), 259]
    assert tokenizer.end_of_document == 261
    assert tokenizer.vocab_size == 261 + len(SPECIAL_TOKENS)
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.encode("hello w") == tokenizer.encode("hello w")


def test_a_compressed_file_equals_the_plain_one(tmp_path):
    plain_file = written(tmp_path / "own.tiktoken", RANKS)
    packed = tmp_path / "own.tiktoken.gz"
    packed.write_bytes(gzip.compress(plain_file.read_bytes()))
    assert option("cl100k", path=str(packed)).fingerprint == option("cl100k", path=str(plain_file)).fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("aGVsbG8= 1\nnot a line at all\n", "own.tiktoken:2 is not a token in base64 and its rank"),
        ("aGVsbG8= one\n", "own.tiktoken:1 is not"),
        ("aGVsbG8= 1\n", "lacks 243 of the 243 bytes"),
        ("", "lacks 243 of the 243 bytes"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused_by_line(content, message, tmp_path):
    (tmp_path / "own.tiktoken").write_text(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        option("cl100k", path=str(tmp_path / "own.tiktoken"))


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*nowhere"):
        option("o200k", path=str(tmp_path / "nowhere.tiktoken"))
    (tmp_path / "odd.tiktoken.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match=r"odd\.tiktoken\.gz is not text"):
        option("o200k", path=str(tmp_path / "odd.tiktoken.gz"))


def test_merges_of_another_vocabulary_are_refused_by_line(tmp_path):
    entries = {to_text(bytes([n])): n for n in range(256)} | {"he": 256}
    (tmp_path / "vocab.json").write_text(json.dumps(entries))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nh e\nl l\n")
    with pytest.raises(ValueError, match=r"merges\.txt:3 is not a merge of two tokens"):
        option("gpt2", vocabulary=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt"))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nh e\n")
    tokenizer = option("gpt2", vocabulary=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt"))
    assert tokenizer.encode("he") == [256]

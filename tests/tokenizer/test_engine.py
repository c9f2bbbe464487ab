"""The fast engine gives the same ids or is not used."""

import json
import random
import sys

import pytest

from lm.tokenizer import Tokenizer, byte_tokenizer, train_bpe, train_characters, train_unigram, train_wordpiece
from lm.tokenizer import encoder as encoder_module
from lm.tokenizer.engine import _doubtful, _mixed_texts, _splitting, fast_engine
from lm.tokenizer.unicode_edges import unicode_edges
from lm.tokenizer.words import GPT4
from support.spaced import spaced_tokenizer

fastokens = pytest.importorskip("fastokens", reason="needs the extra lightning-lm[fast]")
TEXTS = _mixed_texts(random.Random(7), 300)


@pytest.fixture(scope="module")
def merged():
    return train_bpe(TEXTS, vocab_size=600)


@pytest.mark.parametrize(
    "train", [train_bpe, train_characters, train_unigram, train_wordpiece, lambda t, **_: byte_tokenizer(t)]
)
def test_batches_get_the_ids_of_single_texts(train):
    tokenizer = train(TEXTS, vocab_size=700)
    assert tokenizer.engine in ("fastokens", "tokenizers")  # chooses it
    texts = ["", "<|user|> <|end_of_turn|>", *_mixed_texts(random.Random(8), 2000)]
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == [tokenizer.encode(text) for text in texts]


def test_supported_tokenizers_use_it(merged):
    assert merged.engine == "fastokens"
    assert train_unigram(TEXTS, vocab_size=300).engine == "tokenizers"


def test_special_tokens_in_a_text_are_text(merged):
    (ids,) = merged.encode_batch(["<|user|>"])
    assert merged.role_tokens["user"] not in ids
    assert merged.decode(ids) == "<|user|>"


LATELY = ["\U00011380", "\U0001fae9", "\U000323af"]  # assigned in Unicode 16 or not at all
ODD = [*" \t\n\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2007\u2028\u202f\u205f\u3000\ufeff", "\u200b", "\u200d",
       "\ud7ff", "\ue000", "\uffff", "\U0010ffff", "e\u0301", "\u0338", "\u0903", "\u20dd", "Ⅷ", "½", "²", "٣", "〇",
       "ſ", "İ", "ı", "ß", "ẞ", "K", "Å", "ǅ", "ʰ", "한", "\u1112\u1161\u11ab", "👩\u200d👧", *LATELY]  # fmt: skip
BESIDE = ["", "a", "B", " ", "  ", "'", "'l", "1", ".", "\n", "\r\n", "b", "s"]
PATTERNS = [
    GPT4,
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'ll)|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+",
    r" ?\S+|\s+(?!\S)|\s+",
    r"\w+|\d+|\W",
    r"\p{Han}+|\p{Thai}+|\p{P}+|\p{S}+|[\s\S]",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_batches_get_the_ids_of_single_texts_beside_every_odd_character(pattern):
    tokenizer = train_bpe(TEXTS, vocab_size=600, pattern=pattern)
    assert tokenizer.engine == "fastokens"
    texts = [f"{left}{odd}{right}" for odd in ODD for left in BESIDE for right in BESIDE]
    draw = random.Random(1)
    texts += ["".join(draw.choices([*ODD, *BESIDE], k=draw.randrange(12))) for _ in range(1000)]
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == [tokenizer.encode(text) for text in texts]


def test_a_space_that_only_one_engine_knows_is_left_to_the_other(merged):
    """U+180E was a space until Unicode 6.3."""
    doubtful = _doubtful(_splitting(json.loads(merged.content)))
    assert doubtful[[0x180E, 0x0378]].all(), "U+0378 is not assigned"
    assert not doubtful[[ord(character) for character in "aé中🙂한\ue000"]].any()
    assert merged.engine == "fastokens"


def test_characters_at_every_edge_are_tried():
    edges, decomposed, unassigned = unicode_edges()
    assert {"\u180e", "\u180d", "\xa0", "ſ", "ǅ", "\u3007", "\ue000", "一", "힣"} <= set(edges)
    assert {"e\u0301", "=\u0338", "\u1100\u1161"} <= set(decomposed)
    assert unassigned[[0x0378, ord("a"), 0xF0001]].tolist() == [True, False, False]


def test_own_symbols_that_only_the_reference_takes_as_text_are_not_left_to_the_engine():
    """Without a piece for `<`, fastokens takes a typed <unk> for the token."""
    backend = spaced_tokenizer()
    assert backend.engine == "tokenizers"
    texts = ["<unk>", "a<unk>é", "<0x0A>", "<unk><unk>"]
    assert [ids.tolist() for ids in backend.encode_batch(texts)] == [backend.encode(text) for text in texts]


def test_an_engine_that_differs_is_not_used(merged):
    description = json.loads(merged.content)
    description["model"]["merges"] = description["model"]["merges"][:100]
    assert fast_engine(json.dumps(description), like=merged._encoder.encode_all) is None
    assert fast_engine(merged.content, like=merged._encoder.encode_all) is not None


def test_without_the_package_there_is_no_fast_engine(merged, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastokens._native", None)
    assert fast_engine(merged.content, like=merged._encoder.encode_all) is None


def test_little_text_does_not_pay_for_the_trial_of_an_engine(merged, monkeypatch):
    monkeypatch.setattr(encoder_module, "WORTH", 100)
    tokenizer = Tokenizer(merged.content)
    tokenizer.encode_batch(["x" * 60])
    assert "_fast" not in vars(tokenizer._encoder)
    tokenizer.encode_batch(["x" * 60])
    assert "_fast" in vars(tokenizer._encoder)

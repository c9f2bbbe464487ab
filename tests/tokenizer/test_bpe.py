"""Training BPE is deterministic, equals the trainer of `tokenizers`, and refuses invalid settings."""

import json
import random

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, trainers

from lm.tokenizer import byte_tokenizer, train_bpe
from lm.tokenizer.tokenizer import SPECIAL_TOKENS
from lm.tokenizer.words import GPT4, byte_level
from support.compositions import composition

TEXTS = [f"the {word} of the {word}s is number {i}\n" for i in range(50) for word in ("tree", "river", "été")]


def test_the_same_texts_give_the_same_tokenizer():
    first, second = (train_bpe(iter(TEXTS), vocab_size=320) for _ in range(2))
    assert first.content == second.content
    assert first.fingerprint == second.fingerprint != train_bpe(TEXTS, vocab_size=319).fingerprint


@pytest.mark.parametrize("seed", range(6))
def test_the_vocabulary_equals_that_of_the_trainer_of_tokenizers(seed):
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdeé \n.=1", k=draw.randint(1, 12))) for _ in range(300)]
    texts = [" ".join(draw.choices(words, k=40)) + "=" * draw.randint(1, 40) for _ in range(40)]
    backend = Backend(models.BPE())
    backend.pre_tokenizer = byte_level(GPT4)
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        min_frequency=2 + seed % 2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    trained = train_bpe(texts, vocab_size=700, min_frequency=2 + seed % 2)
    assert trained.vocab_size > 400
    assert json.loads(trained.content)["model"] == json.loads(backend.to_str())["model"]


def test_a_vocabulary_too_small_for_all_bytes_is_refused():
    with pytest.raises(ValueError, match=r"tokenizer.vocab_size 261 .* need 262"):
        train_bpe(TEXTS, vocab_size=261)
    assert train_bpe(TEXTS, vocab_size=262).vocab_size == 262


def test_a_corpus_that_cannot_fill_the_vocabulary_gives_a_smaller_one():
    tokenizer = train_bpe(["abab abab"], vocab_size=5000)
    assert 262 < tokenizer.vocab_size < 270
    assert tokenizer.decode(tokenizer.encode("xyz é")) == "xyz é"


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_no_text_is_refused(texts):
    with pytest.raises(ValueError, match="no text to train"):
        train_bpe(texts)


def test_a_broken_pattern_is_refused():
    with pytest.raises(ValueError, match=r"tokenizer.pattern '\(' is not a regular expression"):
        train_bpe(TEXTS, pattern="(")
    with pytest.raises(ValueError, match=r"tokenizer.pattern '\[a-z\]\*' also matches the empty string"):
        train_bpe(TEXTS, pattern="[a-z]*")


def test_a_lone_surrogate_in_training_text_is_refused():
    with pytest.raises(ValueError, match="lone surrogate"):
        train_bpe(["fine", "a\ud800b"])


TEXT = "def f(x1, y=12345):\n        return 'dont' + été  \n\n"
SPLITS = {
    "gpt4": "def¦ f¦(x¦1¦,¦ y¦=¦123¦45¦):\n¦       ¦ return¦ '¦dont¦'¦ +¦ été¦  \n\n",
    "digits": "def¦ f¦(x¦1¦,¦ y¦=¦1¦2¦3¦4¦5¦):\n¦       ¦ return¦ '¦dont¦'¦ +¦ été¦  \n\n",
    "gpt2": "def¦ f¦(¦x¦1¦,¦ y¦=¦12345¦):¦\n       ¦ return¦ '¦dont¦'¦ +¦ été¦  \n\n",
    "plain": "def¦ f(x1,¦ y=12345):¦\n       ¦ return¦ 'dont'¦ +¦ été¦  \n\n",
}


def pattern(option: str) -> str:
    config = composition("tokenizer").compose([f"tokenizer/pattern@tokenizer={option}"])
    return config.tokenizer.pattern


@pytest.mark.parametrize(("option", "pieces"), SPLITS.items())
def test_each_pattern_splits_as_its_option_says(option, pieces):
    split = byte_level(pattern(option)).pre_tokenize_str(TEXT)
    assert ["".join(TEXT[start:stop]) for _, (start, stop) in split] == pieces.split("¦")
    tokenizer = train_bpe(TEXTS, vocab_size=300, pattern=pattern(option))
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT


def test_the_default_pattern_is_that_of_gpt4():
    assert pattern("gpt4") == GPT4


def test_the_bytes_tokenizer_encodes_every_byte_as_its_value():
    tokenizer = byte_tokenizer([])
    text = "été 🙂 <|user|>\x00\r\n"
    assert tokenizer.encode(text) == list(text.encode())
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.vocab_size == 256 + len(SPECIAL_TOKENS)

"""A tokenizer as another library publishes it: a vocabulary of its own, and its own special tokens after it."""

from functools import cache

import tokenizers
import yaml

from lm.config.outline import config_directory
from lm.tokenizer import Tokenizer
from lm.tokenizer.load import with_special_tokens
from lm.tokenizer.words import byte_level

TEXT = ["what does this do? It returns what it is given: <|user|> def f(x):\n    return x\n\nyes and no"] * 4
SPECIAL = [
    "<unk>", "<s>", "</s>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|eot_id|>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<|end|>",
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
]  # fmt: skip


@cache
def foreign_backend(*special: str) -> tokenizers.Tokenizer:
    """A byte-level BPE with these special tokens, or with those of many formats; none of them is ours."""
    pattern = yaml.safe_load((config_directory() / "tokenizer" / "pattern" / "gpt4.yaml").read_text())["pattern"]
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer, backend.decoder = byte_level(pattern), tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXT, trainer)
    backend.add_special_tokens(
        [tokenizers.AddedToken(token, special=True, normalized=False) for token in special or SPECIAL]
    )
    return backend


@cache
def foreign_tokenizer(*special: str) -> Tokenizer:
    """The same as lm opens it: with our special tokens after its own vocabulary."""
    return with_special_tokens(foreign_backend(*special).to_str())


@cache
def transformers_tokenizer(template: str, begin: str, end: str):
    """The same in transformers, with a chat_template."""
    import pytest

    transformers = pytest.importorskip("transformers")
    backend = tokenizers.Tokenizer.from_str(foreign_backend().to_str())
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=begin, eos_token=end)
    tokenizer.chat_template = template
    return tokenizer


def apply_chat_template(tokenizer, messages, **given) -> list[int]:
    """The ids that transformers gives for messages."""
    turns = [
        {"role": message.role, "content": message.content}
        | ({"reasoning_content": message.reasoning} if message.reasoning else {})
        for message in messages
    ]
    ids = tokenizer.apply_chat_template(turns, tokenize=True, **given)
    return ids if isinstance(ids, list) else ids["input_ids"]

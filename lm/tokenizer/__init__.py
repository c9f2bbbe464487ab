"""Tokenizers: train five families, open those of other libraries, measure and compare them.

Text goes to ids and back without loss, every byte is counted, and typed text never becomes a special token.
"""

from lm.tokenizer.bpe import byte_tokenizer, train_bpe
from lm.tokenizer.characters import characters_of_file, train_characters
from lm.tokenizer.export import BOUNDARY, check_exported, exported_backend, exported_files
from lm.tokenizer.foreign import gpt2_tokenizer, tiktoken_tokenizer
from lm.tokenizer.load import existing_tokenizer, load_tokenizer, named_files, with_turn_tokens
from lm.tokenizer.measure import longest_tokens, measure, premium
from lm.tokenizer.roles import SPECIAL_TOKENS
from lm.tokenizer.sentencepiece import sentencepiece_tokenizer
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.unigram import train_unigram
from lm.tokenizer.wordpiece import train_wordpiece

__all__ = [
    "BOUNDARY",
    "SPECIAL_TOKENS",
    "Tokenizer",
    "byte_tokenizer",
    "characters_of_file",
    "check_exported",
    "existing_tokenizer",
    "exported_backend",
    "exported_files",
    "gpt2_tokenizer",
    "load_tokenizer",
    "longest_tokens",
    "measure",
    "named_files",
    "premium",
    "sentencepiece_tokenizer",
    "tiktoken_tokenizer",
    "train_bpe",
    "train_characters",
    "train_unigram",
    "train_wordpiece",
    "with_turn_tokens",
]

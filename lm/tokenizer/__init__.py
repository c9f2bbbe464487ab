"""Tokenizers: text to ids and back, exactly."""

from lm.tokenizer.bpe import train_bpe
from lm.tokenizer.load import existing_tokenizer, load_tokenizer
from lm.tokenizer.tokenizer import Tokenizer

__all__ = ["Tokenizer", "existing_tokenizer", "load_tokenizer", "train_bpe"]

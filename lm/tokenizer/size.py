"""How large a vocabulary may and did become, in words that all families share."""

from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer


def check_size(vocab_size: int, *, alphabet: int, of: str, on_top: str) -> None:
    """Refuse a vocabulary that cannot hold its `alphabet`, which is made of what `of` says."""
    least = len(SPECIAL_TOKENS) + alphabet
    if vocab_size < least:
        raise ValueError(
            f"tokenizer.vocab_size {vocab_size} is too small: {of} and {len(SPECIAL_TOKENS)} special tokens need "
            f"{least}, and {on_top} come on top; try {1024 if least < 1024 else 4096}"
        )


def tell_if_short(trained: Tokenizer, *, vocab_size: int, min_frequency: int, what: str) -> Tokenizer:
    """The trained tokenizer, after saying so where the text did not give as many tokens as were asked for."""
    if trained.vocab_size < vocab_size:
        print(
            f"tokenizer   no more than {trained.vocab_size} of {vocab_size} tokens: the text has no further {what} "
            f"that occur {min_frequency} times"
        )
    return trained

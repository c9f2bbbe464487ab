"""Train a vocabulary of characters."""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from lm.bounds import Count, Natural
from lm.tokenizer.byte_level import CHARACTER_OF, to_text
from lm.tokenizer.load import completed
from lm.tokenizer.pattern import byte_level
from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer, refuse_unencodable


def train_characters(texts: Iterable[str], *, vocab_size: Count = 1024, min_frequency: Natural = 2) -> Tokenizer:
    """Every frequent character a token, the commonest first; rare ones are written in bytes, so nothing is unknown.

    Between bytes and words: no spelling is hidden from the model, at four or five times the tokens of BPE. Special
    tokens and single bytes count into `vocab_size`.
    """
    least = len(SPECIAL_TOKENS) + len(CHARACTER_OF)
    if vocab_size < least:
        raise ValueError(
            f"tokenizer.vocab_size {vocab_size} is too small: {len(CHARACTER_OF)} bytes and {len(SPECIAL_TOKENS)} "
            f"special tokens need {least}, and characters come on top; try 1024"
        )
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    if not counts:
        raise ValueError("there is no text to train a tokenizer on: every document is empty or there are none")
    refuse_unencodable(counts)
    frequent = [character for character, count in counts.items() if count >= min_frequency and not character.isascii()]
    chosen = sorted(frequent, key=lambda character: (-counts[character], character))[: vocab_size - least]
    entries = [*(CHARACTER_OF[byte] for byte in range(256)), *(to_text(character.encode()) for character in chosen)]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    # A piece that is an entry is taken whole; the bytes of any other stay apart, as there are no merges.
    backend = Backend(models.BPE(vocabulary, [], ignore_merges=True))
    backend.pre_tokenizer = byte_level(r"[\s\S]")
    backend.decoder = decoders.ByteLevel()
    return completed(backend.to_str(pretty=True))

"""Train a vocabulary of characters."""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models
from tokenizers.normalizers import Normalizer

from lm.bounds import Count, Natural
from lm.tokenizer.byte_level import CHARACTER_OF, to_text
from lm.tokenizer.load import completed
from lm.tokenizer.pattern import byte_level, normalized
from lm.tokenizer.size import check_size, tell_if_short
from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer, refuse_unencodable


def train_characters(
    texts: Iterable[str],
    *,
    vocab_size: Count = 1024,
    min_frequency: Natural = 2,
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """Every frequent character a token, the commonest first; rare ones are written in bytes, so nothing is unknown.

    Between bytes and words: no spelling is hidden from the model, at four or five times the tokens of BPE. Special
    tokens and single bytes count into `vocab_size`.
    """
    check_size(vocab_size, alphabet=256, of="256 bytes", on_top="characters")
    counts: Counter[str] = Counter()
    for text in normalized(texts, normalizer):
        counts.update(text)
    if not counts:
        raise ValueError("there is no text to train a tokenizer on: every document is empty or there are none")
    refuse_unencodable(counts)
    frequent = [character for character, count in counts.items() if count >= min_frequency and not character.isascii()]
    room = vocab_size - len(SPECIAL_TOKENS) - 256
    chosen = sorted(frequent, key=lambda character: (-counts[character], character))[:room]
    entries = [*(CHARACTER_OF[byte] for byte in range(256)), *(to_text(character.encode()) for character in chosen)]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    # A piece that is an entry is taken whole; the bytes of any other stay apart, as there are no merges.
    backend = Backend(models.BPE(vocabulary, [], ignore_merges=True))
    backend.normalizer = normalizer
    backend.pre_tokenizer = byte_level(r"[\s\S]")
    backend.decoder = decoders.ByteLevel()
    trained = completed(backend.to_str(pretty=True))
    return tell_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="characters")

"""Byte-level vocabularies: merged by frequency, or the bare bytes."""

import sys
from collections.abc import Iterable

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from lm.bounds import Count, Natural
from lm.tokenizer.byte_level import CHARACTER_OF
from lm.tokenizer.load import completed
from lm.tokenizer.pattern import GPT4, byte_level
from lm.tokenizer.size import check_size, tell_if_short
from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer, refuse_unencodable


def train_bpe(
    texts: Iterable[str],
    *,
    vocab_size: Count = 4096,
    pattern: str = GPT4,
    min_frequency: Natural = 2,
) -> Tokenizer:
    """Merge the commonest pair of neighbours, again and again (Sennrich et al. 2016), over bytes: nothing is
    unknown.

    `pattern` cuts the text into pieces that no token may cross. Special tokens and single bytes count into
    `vocab_size`. The same texts in the same order give the same file. A corpus too small or too plain for
    `vocab_size` gives a smaller vocabulary; see `vocab_size` of the result.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    check_size(vocab_size, alphabet=len(alphabet), of="256 bytes", on_top="merges")
    backend = Backend(models.BPE())
    backend.pre_tokenizer = byte_level(pattern)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        show_progress=sys.stderr.isatty(),
    )
    seen = _Seen(texts)
    try:
        backend.train_from_iterator(seen, trainer)
    except UnicodeEncodeError as error:
        refuse_unencodable([error.object])
    if not seen.any:
        raise ValueError("there is no text to train a tokenizer on: every document is empty or there are none")
    trained = Tokenizer(backend.to_str(pretty=True))
    return tell_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="pairs")


def byte_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Every byte a token, by its value (ByT5, Xue et al. 2022); there is nothing to learn from the texts."""
    backend = Backend(models.BPE({CHARACTER_OF[byte]: byte for byte in range(256)}, []))
    backend.pre_tokenizer = byte_level(GPT4)  # what is cut does not matter here; short pieces are quick
    backend.decoder = decoders.ByteLevel()
    return completed(backend.to_str(pretty=True))


class _Seen:
    """Texts, remembering whether one of them held anything."""

    def __init__(self, texts: Iterable[str]):
        self.texts = texts
        self.any = False

    def __iter__(self):
        for text in self.texts:
            self.any = self.any or bool(text)
            yield text

"""Train byte-level byte-pair encoding."""

import sys
from collections.abc import Iterable

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer, refuse_unencodable

# The split of GPT-4 (cl100k): contractions, words with the one mark or space before them, up to three digits,
# punctuation with the line ends after it, line ends, white space but for its last character. Indentation
# stays whole and numbers do not swamp the vocabulary.
GPT4_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)"
    r"|[^\r\n\p{L}\p{N}]?+\p{L}+"
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]"
    r"|\s+(?!\S)"
    r"|\s+"
)


def train_bpe(
    texts: Iterable[str],
    *,
    vocab_size: int = 4096,
    pattern: str = GPT4_PATTERN,
    min_frequency: int = 2,
) -> Tokenizer:
    """Merge the commonest pair of neighbours, again and again (Sennrich et al. 2016), over bytes: nothing is
    unknown.

    `pattern` cuts the text into pieces that no token may cross. Special tokens and single bytes count into
    `vocab_size`. The same texts in the same order give the same file. A corpus too small or too plain for
    `vocab_size` gives a smaller vocabulary; see `vocab_size` of the result.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    least = len(SPECIAL_TOKENS) + len(alphabet)
    if vocab_size < least:
        raise ValueError(
            f"tokenizer.vocab_size {vocab_size} is too small: {len(alphabet)} bytes and "
            f"{len(SPECIAL_TOKENS)} special tokens need {least}, and merges come on top; try 4096"
        )
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
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
    if trained.vocab_size < vocab_size:
        print(
            f"tokenizer   no more than {trained.vocab_size} of {vocab_size} tokens: the text has no further "
            f"pairs that occur {min_frequency} times"
        )
    return trained


def _regex(pattern: str) -> Regex:
    try:
        return Regex(pattern)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise ValueError(f"tokenizer.pattern {pattern!r} is not a regular expression: {error}") from None


class _Seen:
    """Texts, remembering whether one of them held anything."""

    def __init__(self, texts: Iterable[str]):
        self.texts = texts
        self.any = False

    def __iter__(self):
        for text in self.texts:
            self.any = self.any or bool(text)
            yield text

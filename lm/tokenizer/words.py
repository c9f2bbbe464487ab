"""What all trainers share: split text into words, count them, check the vocabulary size."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import regex
from tokenizers import Regex, pre_tokenizers
from tokenizers.normalizers import Normalizer

from lm.progress import Console
from lm.tokenizer.byte_alphabet import to_text
from lm.tokenizer.roles import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer, refuse_unencodable

# The split of GPT-4 (cl100k): contractions, words with one mark or space before them, up to three digits, punctuation
# with the line ends after it, line ends, white space except its last character. Indentation stays whole and numbers do
# not swamp the vocabulary.
GPT4 = (
    r"'(?i:[sdmt]|ll|ve|re)"
    r"|[^\r\n\p{L}\p{N}]?+\p{L}+"
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]"
    r"|\s+(?!\S)"
    r"|\s+"
)
MAX_WORD = 256  # bytes; a longer run without a split, such as base64, is counted in parts of this length
BLOCK = 1_000_000  # characters split at once; their words, as Python strings, take some 15 times the memory
NO_TEXT = "there is no text to train a tokenizer on: every document is empty or there are none"


def byte_level(pattern: str) -> pre_tokenizers.PreTokenizer:
    """Return the pre-tokenizer that splits by a regular expression, then writes bytes in the byte alphabet."""
    try:
        expression = Regex(pattern)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise ValueError(f"tokenizer.pattern {pattern!r} is not a regular expression: {error}") from None
    split = pre_tokenizers.Split(expression, "isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def normalized(texts: Iterable[str], normalizer: Normalizer | None) -> Iterable[str]:
    """Return the texts as a tokenizer with this normalizer reads them."""
    return texts if normalizer is None else map(normalizer.normalize_str, texts)


def check_size(vocab_size: int, *, alphabet: int, of: str, on_top: str) -> None:
    """Raise if the vocabulary cannot hold its alphabet of so many entries, which the message names as `of`."""
    minimum = len(SPECIAL_TOKENS) + alphabet
    if vocab_size < minimum:
        raise ValueError(
            f"tokenizer.vocab_size {vocab_size} is too small: {of} and {len(SPECIAL_TOKENS)} special tokens need "
            f"{minimum}, and {on_top} come on top; try {1024 if minimum < 1024 else 4096}"
        )


def warn_if_short(trained: Tokenizer, *, vocab_size: int, min_frequency: int, what: str) -> Tokenizer:
    """Return the trained tokenizer, after a note if the text had too few candidates to fill the vocabulary."""
    if trained.vocab_size < vocab_size:
        Console("tokenizer").line(
            f"only {trained.vocab_size} of {vocab_size} tokens: the text has no more {what} that occur at least "
            f"{min_frequency} times"
        )
    return trained


def count_words(texts: Iterable[str], pattern: str, *, max_words: int) -> Counter[str]:
    """Count the pieces of the split, written in the byte alphabet.

    Memory holds at most 2 × `max_words` distinct words, whatever the length of the text. Beyond that, the rarest are
    dropped, and start again from zero if they recur (lossy counting, Manku and Motwani 2002); a note reports the loss.
    Counts are Python integers, which do not overflow.

    Args:
        texts: Texts to count.
        pattern: Regular expression of one word.
        max_words: Maximum number of distinct words to return, the most frequent ones.

    Returns:
        Word in the byte alphabet → occurrences.
    """
    split, words, total, dropped = _splitter(pattern), Counter(), 0, 0
    for text in texts:
        refuse_unencodable([text])
        for pieces in _pieces(text, split):
            total += len(pieces)
            words.update(pieces)
            if len(words) > 2 * max_words:
                dropped += _drop_rarest(words, max_words)
    if not words:
        raise ValueError(NO_TEXT)
    if len(words) > max_words:
        dropped += _drop_rarest(words, max_words)
    if dropped:
        Console("tokenizer").line(
            f"trained on the {max_words} most frequent words; the others are {dropped / total:.2%} of all words "
            "(tokenizer.max_words)"
        )
    counts: Counter[str] = Counter()
    for word, count in words.items():
        letters = to_text(word.encode())
        for place in range(0, len(letters), MAX_WORD):
            counts[letters[place : place + MAX_WORD]] += count
    return counts


def _drop_rarest(words: Counter[str], max_words: int) -> int:
    """Drop all but the most frequent words, the first by name among equals; return the occurrences dropped."""
    before = words.total()
    frequent = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:max_words]
    words.clear()
    words.update(dict(frequent))
    return before - words.total()


def _splitter(pattern: str) -> Callable[[str, int, int], list[str]]:
    """Return a function that splits a text between two places with the library `regex`, 3 × as fast as `tokenizers`.

    The two agree on every character that both know; characters that Unicode has assigned since may differ.
    """
    byte_level(pattern)  # splits when text is encoded; raises if the pattern is wrong
    try:
        expression = regex.compile(rf"{pattern}|(?:(?!{pattern})[\s\S])+")  # text that the pattern skips is a piece too
    except regex.error as error:
        raise ValueError(f"tokenizer.pattern {pattern!r} is not a regular expression: {error}") from None
    if expression.match(""):
        raise ValueError(f"tokenizer.pattern {pattern!r} also matches the empty string; use + in place of *")
    if expression.groups:
        return lambda text, start, stop: [match[0] for match in expression.finditer(text, start, stop)]
    return expression.findall


def _pieces(text: str, split: Callable[[str, int, int], list[str]]) -> Iterator[list[str]]:
    """Yield the pieces of a text, one block at a time. The last piece of a block may continue: it opens the next."""
    start, length = 0, BLOCK
    while start < len(text):
        pieces = split(text, start, start + length)
        if start + length < len(text):
            if len(pieces) == 1:
                length *= 2
                continue
            pieces.pop()
        yield pieces
        start, length = start + sum(map(len, pieces)), BLOCK

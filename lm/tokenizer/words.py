"""The words of a text with how often they occur: all that a vocabulary learns from."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import regex

from lm.tokenizer.byte_level import to_text
from lm.tokenizer.pattern import byte_level
from lm.tokenizer.tokenizer import refuse_unencodable

LONGEST = 256  # bytes; a run without a cut, as base64 is one, is counted in parts of so many
BLOCK = 1_000_000  # characters that are cut at once: their words, as Python's strings, take some 15 times the room


def count_words(texts: Iterable[str], pattern: str, *, most: int) -> Counter[str]:
    """How often each piece of the split occurs, written in the byte alphabet.

    Memory holds at most 2 × `most` distinct words, whatever the length of the text: when there are more, the rarest are
    forgotten, and counted anew should they come again (lossy counting, Manku and Motwani 2002). What that cost is
    printed. Counts are Python's integers, which do not overflow.
    """
    cut, words, total = _cut(pattern), Counter(), 0
    forgotten = 0
    for text in texts:
        refuse_unencodable([text])
        for pieces in _pieces(text, cut):
            total += len(pieces)
            words.update(pieces)
            if len(words) > 2 * most:
                forgotten += _forget(words, most)
    if not words:
        raise ValueError("there is no text to train a tokenizer on: every document is empty or there are none")
    if len(words) > most:
        forgotten += _forget(words, most)
    if forgotten:
        print(
            f"tokenizer   the {most} commonest words were learned from; the others are {forgotten / total:.2%} of the "
            "text's words (tokenizer.max_words)"
        )
    written: Counter[str] = Counter()
    for word, count in words.items():
        letters = to_text(word.encode())
        for place in range(0, len(letters), LONGEST):
            written[letters[place : place + LONGEST]] += count
    return written


def _forget(words: Counter[str], most: int) -> int:
    """Keep the `most` commonest, the first by name among equals; how many occurrences the others had."""
    before = words.total()
    kept = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:most]
    words.clear()
    words.update(dict(kept))
    return before - words.total()


def _cut(pattern: str) -> Callable[[str, int, int], list[str]]:
    """The pieces of a text between two places, as the library `regex` cuts it, three times as fast as `tokenizers`.

    The two agree on every character that both know; what Unicode has assigned since, one may take for no letter.
    """
    byte_level(pattern)  # which cuts when text is encoded, and says what is wrong with a pattern
    try:
        whole = regex.compile(rf"{pattern}|(?:(?!{pattern})[\s\S])+")  # what a pattern passes over is a piece too
    except regex.error as error:
        raise ValueError(f"tokenizer.pattern {pattern!r} is not a regular expression: {error}") from None
    if whole.match(""):
        raise ValueError(f"tokenizer.pattern {pattern!r} also matches nothing at all, which cuts no text: use + for *")
    if whole.groups:
        return lambda text, start, stop: [found[0] for found in whole.finditer(text, start, stop)]
    return whole.findall


def _pieces(text: str, cut: Callable[[str, int, int], list[str]]) -> Iterator[list[str]]:
    """The pieces of a text, a block at a time. The last piece of a block may go on, so it opens the next."""
    start, length = 0, BLOCK
    while start < len(text):
        found = cut(text, start, start + length)
        if start + length < len(text):
            if len(found) == 1:
                length *= 2
                continue
            found.pop()
        yield found
        start, length = start + sum(map(len, found)), BLOCK

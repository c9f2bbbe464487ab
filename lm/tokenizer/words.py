"""The words of a text with how often they occur: all that a vocabulary learns from."""

from collections import Counter
from collections.abc import Iterable

from lm.tokenizer.pattern import byte_level
from lm.tokenizer.tokenizer import refuse_unencodable

LONGEST = 256  # bytes; a run without a cut, as base64 is one, is counted in parts of so many


def count_words(texts: Iterable[str], pattern: str, *, most: int) -> Counter[str]:
    """How often each piece of the split occurs, written in the byte alphabet.

    Memory holds at most 2 × `most` distinct words, whatever the length of the text: when there are more, the rarest are
    forgotten, and counted anew should they come again (lossy counting, Manku and Motwani 2002). What that cost is
    printed. Counts are Python's integers, which do not overflow.
    """
    cut, words, total = byte_level(pattern), Counter(), 0
    forgotten = 0
    for text in texts:
        refuse_unencodable([text])
        for word, _ in cut.pre_tokenize_str(text):
            total += 1
            if len(word) <= LONGEST:
                words[word] += 1
            else:
                words.update(word[place : place + LONGEST] for place in range(0, len(word), LONGEST))
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
    return words


def _forget(words: Counter[str], most: int) -> int:
    """Keep the `most` commonest, the first by name among equals; how many occurrences the others had."""
    before = words.total()
    kept = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:most]
    words.clear()
    words.update(dict(kept))
    return before - words.total()

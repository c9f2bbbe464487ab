"""Gopher's quality rules: drop texts whose words, symbols and lines are not those of prose.

Rae et al. 2021, arXiv:2112.11446, appendix A.1. `GopherQuality.__call__` applies the rules in order.
"""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from lm.bounds import Count, Natural, NonNegative, Positive, Share
from lm.corpus import Document, Dropped
from lm.filter.text.words import Words, find_words, words
from lm.filtering import Filter

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
BULLETS = ("•", "-")
ELLIPSES = ("...", "…")


class GopherQuality(Filter):
    """Drop documents that break any of the rules. Right for English web text; other languages need other stop words.

    The paper does not define a word. As in datatrove, symbols are divided by all words including punctuation, while the
    counts and lengths of words are of those with a letter or digit.

    Args:
        min_words: Fewest words with a letter or digit.
        max_words: Most words with a letter or digit.
        min_word_length: Smallest mean length of those words, in characters.
        max_word_length: Largest mean length of those words, in characters.
        max_symbols_per_word: Largest ratio of `#` to words, and of ellipses to words; punctuation counts as words.
        max_bullet_lines: Largest share of lines that begin with • or -.
        max_ellipsis_lines: Largest share of lines that end in an ellipsis.
        min_words_with_letter: Smallest share of words that have a letter.
        count_punctuation: Count punctuation among the words of that share, as datatrove does: stricter, and it drops
            well-written dialogue.
        min_stop_words: Fewest different stop words in the text.
        stop_words: Stop words of the language, matched as written.
    """

    def __init__(
        self,
        *,
        min_words: Natural = 50,
        max_words: Count = 100_000,
        min_word_length: NonNegative = 3.0,
        max_word_length: Positive = 10.0,
        max_symbols_per_word: NonNegative = 0.1,
        max_bullet_lines: Share = 0.9,
        max_ellipsis_lines: Share = 0.3,
        min_words_with_letter: Share = 0.8,
        count_punctuation: bool = False,
        min_stop_words: Natural = 2,
        stop_words: Sequence[str] = STOP_WORDS,
    ):
        if min_words > max_words:
            raise ValueError(f"min_words {min_words} is more than max_words {max_words}: no text is left between them")
        if min_stop_words > len(set(stop_words)):
            raise ValueError(f"min_stop_words {min_stop_words} is more than the {len(set(stop_words))} stop_words")
        self.min_words, self.max_words = min_words, max_words
        self.min_word_length, self.max_word_length = min_word_length, max_word_length
        self.max_symbols_per_word = max_symbols_per_word
        self.max_bullet_lines, self.max_ellipsis_lines = max_bullet_lines, max_ellipsis_lines
        self.min_words_with_letter, self.count_punctuation = min_words_with_letter, count_punctuation
        self.min_stop_words, self.stop_words = min_stop_words, tuple(dict.fromkeys(stop_words))

    def look_ahead(self, documents: Sequence[Document]) -> None:
        find_words([document.text for document in documents])

    def __call__(self, document: Document) -> Document | Dropped:
        found = words(document.text)
        alphanumeric = found.alphanumeric
        return self._by_words(found, alphanumeric) or self._by_symbols(document.text, found, alphanumeric) or document

    def _by_words(self, words: Words, alphanumeric: np.ndarray) -> Dropped | None:
        """Check the number of words and their mean length."""
        count, minimum = np.count_nonzero(alphanumeric), max(self.min_words, 1)
        if count < minimum:
            return Dropped("too few words", f"{count} words, fewer than {minimum}")
        if count > self.max_words:
            return Dropped("too many words", f"{count} words, more than {self.max_words}")
        length = int(words.lengths[alphanumeric].sum()) / count
        if length < self.min_word_length:
            return Dropped("words too short", f"{length:.2f} characters a word, fewer than {self.min_word_length:g}")
        if length > self.max_word_length:
            return Dropped("words too long", f"{length:.2f} characters a word, more than {self.max_word_length:g}")
        return None

    def _by_symbols(self, text: str, words: Words, alphanumeric: np.ndarray) -> Dropped | None:
        """Check symbols, bullets and ellipses, the share of words with a letter, and stop words."""
        total, limit = len(words), self.max_symbols_per_word
        dots = sum(map(text.count, ELLIPSES))
        for symbol, count in (("#", text.count("#")), ("…", dots)):
            if count / total > limit:
                return Dropped(f"symbols for words: {symbol}", f"{count / total:.3f} a word, more than {limit:g}")
        lines = text.splitlines()
        bullets = sum([line.lstrip()[:1] in BULLETS for line in lines]) / len(lines)
        if bullets > self.max_bullet_lines:
            return Dropped("bulleted lines", f"{bullets:.1%} of lines, more than {self.max_bullet_lines:.0%}")
        ellipses = sum([line.rstrip().endswith(ELLIPSES) for line in lines]) / len(lines) if dots else 0
        if ellipses > self.max_ellipsis_lines:
            detail = f"{ellipses:.1%} of lines, more than {self.max_ellipsis_lines:.0%}"
            return Dropped("lines that end in an ellipsis", detail)
        letters = np.count_nonzero(words.lettered) / (
            total if self.count_punctuation else np.count_nonzero(alphanumeric)
        )
        if letters < self.min_words_with_letter:
            detail = f"{letters:.1%} of words have one, fewer than {self.min_words_with_letter:.0%}"
            return Dropped("words without a letter", detail)
        found = sum(1 for _ in islice(filter(words.__contains__, self.stop_words), self.min_stop_words))
        if found < self.min_stop_words:
            return Dropped("too few stop words", f"{found} of them, fewer than {self.min_stop_words}")
        return None

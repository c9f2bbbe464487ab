"""Whether a text reads like text: counts of words, marks and lines that prose keeps and menus, tables and spam do not
(Gopher: Rae et al. 2021, arXiv:2112.11446, appendix A.1)."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from lm.bounds import Count, Natural, NonNegative, Positive, Share
from lm.corpus import Document, Dropped
from lm.filter.text.words import Words, look_ahead, words
from lm.filtering import Batched

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
BULLETS = ("•", "-")
ELLIPSES = ("...", "…")


class GopherQuality(Batched):
    """Each rule drops the whole document. `min_words`, `max_words` and the lengths are of words with a letter or digit;
    symbols are told over all words, marks among them, as in datatrove: the paper does not say what a word is. With
    `marks_are_words` so is the share of words with a letter, which drops what people wrote well, as dialogue."""

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
        marks_are_words: bool = False,
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
        self.min_words_with_letter, self.marks_are_words = min_words_with_letter, marks_are_words
        self.min_stop_words, self.stop_words = min_stop_words, tuple(dict.fromkeys(stop_words))

    def look_ahead(self, documents: Sequence[Document]) -> None:
        look_ahead([document.text for document in documents])

    def __call__(self, document: Document) -> Document | Dropped:
        found = words(document.text)
        said = found.said
        return self._by_words(found, said) or self._by_marks(document.text, found, said) or document

    def _by_words(self, words: Words, said: np.ndarray) -> Dropped | None:
        """How many there are and how long they are."""
        count, least = np.count_nonzero(said), max(self.min_words, 1)
        if count < least:
            return Dropped("too few words", f"{count} words, fewer than {least}")
        if count > self.max_words:
            return Dropped("too many words", f"{count} words, more than {self.max_words}")
        length = int(words.lengths[said].sum()) / count
        if length < self.min_word_length:
            return Dropped("words too short", f"{length:.2f} characters a word, fewer than {self.min_word_length:g}")
        if length > self.max_word_length:
            return Dropped("words too long", f"{length:.2f} characters a word, more than {self.max_word_length:g}")
        return None

    def _by_marks(self, text: str, words: Words, said: np.ndarray) -> Dropped | None:
        """What stands where words should, and whether the words are those of sentences."""
        total, most = len(words), self.max_symbols_per_word
        dots = sum(map(text.count, ELLIPSES))
        for symbol, count in (("#", text.count("#")), ("…", dots)):
            if count / total > most:
                return Dropped(f"symbols for words: {symbol}", f"{count / total:.3f} a word, more than {most:g}")
        lines = text.splitlines()
        bullets = sum([line.lstrip()[:1] in BULLETS for line in lines]) / len(lines)
        if bullets > self.max_bullet_lines:
            return Dropped("bulleted lines", f"{bullets:.1%} of lines, more than {self.max_bullet_lines:.0%}")
        ellipses = sum([line.rstrip().endswith(ELLIPSES) for line in lines]) / len(lines) if dots else 0
        if ellipses > self.max_ellipsis_lines:
            found = f"{ellipses:.1%} of lines, more than {self.max_ellipsis_lines:.0%}"
            return Dropped("lines that end in an ellipsis", found)
        letters = np.count_nonzero(words.lettered) / (total if self.marks_are_words else np.count_nonzero(said))
        if letters < self.min_words_with_letter:
            found = f"{letters:.1%} of words have one, fewer than {self.min_words_with_letter:.0%}"
            return Dropped("words without a letter", found)
        found = sum(1 for _ in islice(filter(words.__contains__, self.stop_words), self.min_stop_words))
        if found < self.min_stop_words:
            return Dropped("too few stop words", f"{found} of them, fewer than {self.min_stop_words}")
        return None

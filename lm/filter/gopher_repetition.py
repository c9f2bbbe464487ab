"""Gopher's repetition rules: drop texts that repeat their lines, paragraphs or n-grams.

Rae et al. 2021, arXiv:2112.11446, table A1. A model trained on such text repeats itself.
"""

import re
from collections.abc import Mapping, Sequence

from lm.bounds import Count, NonNegative, Share
from lm.corpus import Document, Dropped
from lm.filter.text.ngram_bounds import NGramBounds, find_bounds, ngram_bounds
from lm.filter.text.repeated_ngrams import count_duplicates, repeated_ngrams
from lm.filter.text.words import words
from lm.filtering import Filter

TOP_NGRAM = {2: 0.20, 3: 0.18, 4: 0.16}
DUPLICATE_NGRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
PARAGRAPH_ENDS = re.compile(r"\n{2,}")


class GopherRepetition(Filter):
    """Drop documents that break any of the rules. Right for web text in languages with spaces between words.

    Shares of characters are of the whole text including blanks. As in datatrove, and milder than the paper: the first
    occurrence of a duplicate n-gram does not count, nor do the blanks between its words.

    Args:
        max_duplicate_paragraphs: Largest share of paragraphs that are copies of earlier ones.
        max_duplicate_paragraph_characters: Largest share of the text in such paragraphs.
        max_duplicate_lines: Largest share of lines that are copies of earlier ones.
        max_duplicate_line_characters: Largest share of the text in such lines.
        max_top_ngram: Words per n-gram → largest share of the text in the most frequent n-gram.
        max_duplicate_ngrams: Words per n-gram → largest share of the text in n-grams that occurred before.
    """

    def __init__(
        self,
        *,
        max_duplicate_paragraphs: Share = 0.3,
        max_duplicate_paragraph_characters: Share = 0.2,
        max_duplicate_lines: Share = 0.3,
        max_duplicate_line_characters: Share = 0.2,
        max_top_ngram: Mapping[Count, NonNegative] = TOP_NGRAM,
        max_duplicate_ngrams: Mapping[Count, NonNegative] = DUPLICATE_NGRAMS,
    ):
        self.max_duplicate_paragraphs = max_duplicate_paragraphs
        self.max_duplicate_paragraph_characters = max_duplicate_paragraph_characters
        self.max_duplicate_lines = max_duplicate_lines
        self.max_duplicate_line_characters = max_duplicate_line_characters
        self.max_top_ngram = {int(n): limit for n, limit in max_top_ngram.items()}  # command-line keys are strings
        self.max_duplicate_ngrams = {int(n): limit for n, limit in max_duplicate_ngrams.items()}
        self.longest = max((*self.max_top_ngram, *self.max_duplicate_ngrams), default=0)

    def look_ahead(self, documents: Sequence[Document]) -> None:
        find_bounds([document.text for document in documents])

    def __call__(self, document: Document) -> Document | Dropped:
        if not document.text.strip():
            return Dropped("empty")
        text = document.text
        paragraphs = self.max_duplicate_paragraphs, self.max_duplicate_paragraph_characters
        lines = self.max_duplicate_lines, self.max_duplicate_line_characters
        dropped = (
            _by_parts("paragraphs", _paragraphs(text), len(text), *paragraphs)
            or _by_parts("lines", _lines(text), len(text), *lines)
            or self._by_ngrams(text)
        )
        return dropped or document

    def _by_ngrams(self, text: str) -> Dropped | None:
        if self._is_within(ngram_bounds(text), len(text)):
            return None
        for ngrams in repeated_ngrams(words(text)):
            n = ngrams.length
            if n > self.longest:
                break
            if n in self.max_top_ngram:
                share, limit = ngrams.top_characters() / len(text), self.max_top_ngram[n]
                if share > limit:
                    return Dropped(f"top {n}-gram", f"{share:.1%} of the text, more than {limit:.0%}")
            if n in self.max_duplicate_ngrams:
                limit = self.max_duplicate_ngrams[n]
                share = ngrams.duplicate_characters(limit=limit * len(text)) / len(text)
                if share > limit:
                    return Dropped(f"duplicate {n}-grams", f"{share:.1%} of the text, more than {limit:.0%}")
        return None

    def _is_within(self, bounds: NGramBounds, size: int) -> bool:
        """Whether a text with these bounds cannot break an n-gram rule."""
        return all(bounds.top_characters(n) / size <= limit for n, limit in self.max_top_ngram.items()) and all(
            bounds.duplicate_characters(n, enough=limit * size) / size <= limit
            for n, limit in self.max_duplicate_ngrams.items()
        )


def _paragraphs(text: str) -> list[str]:
    text = text.strip()
    return PARAGRAPH_ENDS.split(text) if "\n\n" in text else [text]


def _lines(text: str) -> list[str]:
    """Split at runs of newlines, like the published code, but faster than its regular expression."""
    return [*filter(None, text.split("\n")), *[""] * (text.startswith("\n") + text.endswith("\n"))]


def _by_parts(name: str, parts: list[str], size: int, max_parts: float, max_characters: float) -> Dropped | None:
    count, characters = count_duplicates(parts)
    if count / len(parts) > max_parts:
        return Dropped(f"duplicate {name}", f"{count / len(parts):.1%} of {name}, more than {max_parts:.0%}")
    if characters / size > max_characters:
        detail = f"{characters / size:.1%} of the text, more than {max_characters:.0%}"
        return Dropped(f"characters in duplicate {name}", detail)
    return None

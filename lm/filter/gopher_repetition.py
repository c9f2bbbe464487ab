"""Whether a text says the same over and over, by lines, paragraphs and runs of words
(Gopher: Rae et al. 2021, arXiv:2112.11446, table A1). A model that learned such text repeats itself."""

import re
from collections.abc import Mapping, Sequence

from lm.bounds import Count, NonNegative, Share
from lm.corpus import Document, Dropped
from lm.filter.text.phrase_bounds import PhraseBounds, look_ahead, phrase_bounds
from lm.filter.text.phrases import phrases
from lm.filter.text.repeated import repeated
from lm.filter.text.words import words
from lm.filtering import Batched

TOP = {2: 0.20, 3: 0.18, 4: 0.16}
DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
PARAGRAPH_ENDS = re.compile(r"\n{2,}")


class GopherRepetition(Batched):
    """Each rule drops the whole document. Shares of characters are of the whole text, blanks included.

    As in datatrove, and milder than the paper's words: of runs that were there before, the first does not count, nor do
    the blanks between their words.
    """

    def __init__(
        self,
        *,
        max_duplicate_paragraphs: Share = 0.3,
        max_duplicate_paragraph_characters: Share = 0.2,
        max_duplicate_lines: Share = 0.3,
        max_duplicate_line_characters: Share = 0.2,
        max_top: Mapping[Count, NonNegative] = TOP,
        max_duplicate: Mapping[Count, NonNegative] = DUPLICATE,
    ):
        self.max_duplicate_paragraphs = max_duplicate_paragraphs
        self.max_duplicate_paragraph_characters = max_duplicate_paragraph_characters
        self.max_duplicate_lines = max_duplicate_lines
        self.max_duplicate_line_characters = max_duplicate_line_characters
        self.max_top = {int(length): most for length, most in max_top.items()}  # a key from the command line is text
        self.max_duplicate = {int(length): most for length, most in max_duplicate.items()}
        self.longest = max((*self.max_top, *self.max_duplicate), default=0)

    def look_ahead(self, documents: Sequence[Document]) -> None:
        look_ahead([document.text for document in documents])

    def __call__(self, document: Document) -> Document | Dropped:
        if not document.text.strip():
            return Dropped("empty")
        text = document.text
        paragraphs = self.max_duplicate_paragraphs, self.max_duplicate_paragraph_characters
        lines = self.max_duplicate_lines, self.max_duplicate_line_characters
        dropped = (
            _by_parts("paragraphs", _paragraphs(text), len(text), *paragraphs)
            or _by_parts("lines", _lines(text), len(text), *lines)
            or self._by_phrases(text)
        )
        return dropped or document

    def _by_phrases(self, text: str) -> Dropped | None:
        if self._is_within(phrase_bounds(text), len(text)):
            return None
        for found in phrases(words(text)):
            length = found.length
            if length > self.longest:
                break
            if length in self.max_top:
                share, most = found.top_characters() / len(text), self.max_top[length]
                if share > most:
                    return Dropped(f"top {length}-gram", f"{share:.1%} of the text, more than {most:.0%}")
            if length in self.max_duplicate:
                most = self.max_duplicate[length]
                share = found.duplicate_characters(limit=most * len(text)) / len(text)
                if share > most:
                    return Dropped(f"duplicate {length}-grams", f"{share:.1%} of the text, more than {most:.0%}")
        return None

    def _is_within(self, bounds: PhraseBounds, size: int) -> bool:
        """Whether no text with such bounds can break a rule of phrases."""
        return all(bounds.top_characters(length) / size <= most for length, most in self.max_top.items()) and all(
            bounds.duplicate_characters(length, enough=most * size) / size <= most
            for length, most in self.max_duplicate.items()
        )


def _paragraphs(text: str) -> list[str]:
    text = text.strip()
    return PARAGRAPH_ENDS.split(text) if "\n\n" in text else [text]


def _lines(text: str) -> list[str]:
    """As split by runs of line ends, which is slower."""
    return [*filter(None, text.split("\n")), *[""] * (text.startswith("\n") + text.endswith("\n"))]


def _by_parts(name: str, parts: list[str], size: int, most: float, most_characters: float) -> Dropped | None:
    count, characters = repeated(parts)
    if count / len(parts) > most:
        return Dropped(f"duplicate {name}", f"{count / len(parts):.1%} of {name}, more than {most:.0%}")
    if characters / size > most_characters:
        found = f"{characters / size:.1%} of the text, more than {most_characters:.0%}"
        return Dropped(f"characters in duplicate {name}", found)
    return None

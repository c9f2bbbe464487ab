"""Lists, menus and pages that lost their line ends: what is left of them on the web once the older rules have passed
(FineWeb: Penedo et al. 2024, arXiv:2406.17557, section 3.6)."""

from math import ceil

from lm.bounds import Natural, NonNegative, Share
from lm.corpus import Document, Dropped
from lm.filter.text.repeated import repeated
from lm.filter.text.words import words

ENDS = ".!?։؟۔।॥။።፧។៕‼⁇⁈⁉‽。﹖﹗！．？｡"  # ends of sentences in the scripts most written; no closing quotes


class FineWebQuality:
    """Each rule drops the whole document. Lines of blanks are not lines; shares of characters are without line ends."""

    def __init__(
        self,
        *,
        min_punctuated_lines: Share = 0.12,
        ends: str = ENDS,
        max_short_lines: Share = 0.67,
        short_line: Natural = 30,
        max_duplicate_line_characters: Share = 0.01,
        max_line_ends_per_word: NonNegative = 0.3,
    ):
        self.min_punctuated_lines, self.ends = min_punctuated_lines, tuple(ends)
        self.max_short_lines, self.short_line = max_short_lines, short_line
        self.max_duplicate_line_characters = max_duplicate_line_characters
        self.max_line_ends_per_word = max_line_ends_per_word

    def __call__(self, document: Document) -> Document | Dropped:
        text = document.text
        lines = [line for line in text.split("\n") if line and not line.isspace()]
        if not lines:
            return Dropped("empty")
        share = sum(line.endswith(self.ends) for line in lines) / len(lines)
        if share < self.min_punctuated_lines:
            found = f"{share:.1%} of lines, fewer than {self.min_punctuated_lines:.0%}"
            return Dropped("too few lines that end as sentences", found)
        share = sum(len(line) <= self.short_line for line in lines) / len(lines)
        if share > self.max_short_lines:
            return Dropped("short lines", f"{share:.1%} of lines, more than {self.max_short_lines:.0%}")
        line_ends = text.count("\n")
        share = repeated(lines)[1] / (len(text) - line_ends)
        if share > self.max_duplicate_line_characters:
            found = f"{share:.1%} of the text, more than {self.max_duplicate_line_characters:.0%}"
            return Dropped("characters in duplicate lines", found)
        most = self.max_line_ends_per_word
        enough = ceil(line_ends / most) if most else -1
        if line_ends > most * len(text.split(None, enough)):  # at least as many words as are between blanks
            share = line_ends / len(words(text))
            if share > most:
                return Dropped("a list", f"{share:.3f} line ends a word, more than {most:g}")
        return document

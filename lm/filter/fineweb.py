"""FineWeb's rules: drop lists, menus and pages whose line breaks were lost.

Penedo et al. 2024, arXiv:2406.17557, section 3.6. They catch what Gopher's and C4's rules leave.
"""

from math import ceil

from lm.bounds import Natural, NonNegative, Share
from lm.corpus import Document, Dropped
from lm.filter.text.repeated_ngrams import count_duplicates
from lm.filter.text.words import words

ENDS = ".!?։؟۔।॥။።፧។៕‼⁇⁈⁉‽。﹖﹗！．？｡"  # of the most common scripts; no closing quotes


class FineWebQuality:
    """Drop documents that break any of the rules. Blank lines do not count; shares of characters exclude newlines.

    Args:
        min_punctuated_lines: Smallest share of lines that end in one of `ends`.
        ends: Characters that end a sentence, in one string; closing quotes are not among the default.
        max_short_lines: Largest share of short lines.
        short_line: Characters of the longest line that is short.
        max_duplicate_line_characters: Largest share of the text in lines that are copies of earlier ones.
        max_newlines_per_word: Newlines divided by words; a list has many.
    """

    def __init__(
        self,
        *,
        min_punctuated_lines: Share = 0.12,
        ends: str = ENDS,
        max_short_lines: Share = 0.67,
        short_line: Natural = 30,
        max_duplicate_line_characters: Share = 0.01,
        max_newlines_per_word: NonNegative = 0.3,
    ):
        self.min_punctuated_lines, self.ends = min_punctuated_lines, tuple(ends)
        self.max_short_lines, self.short_line = max_short_lines, short_line
        self.max_duplicate_line_characters = max_duplicate_line_characters
        self.max_newlines_per_word = max_newlines_per_word

    def __call__(self, document: Document) -> Document | Dropped:
        text = document.text
        lines = [line for line in text.split("\n") if line and not line.isspace()]
        if not lines:
            return Dropped("empty")
        share = sum(line.endswith(self.ends) for line in lines) / len(lines)
        if share < self.min_punctuated_lines:
            detail = f"{share:.1%} of lines, fewer than {self.min_punctuated_lines:.0%}"
            return Dropped("too few lines that end as sentences", detail)
        share = sum(len(line) <= self.short_line for line in lines) / len(lines)
        if share > self.max_short_lines:
            return Dropped("short lines", f"{share:.1%} of lines, more than {self.max_short_lines:.0%}")
        newlines = text.count("\n")
        share = count_duplicates(lines)[1] / (len(text) - newlines)
        if share > self.max_duplicate_line_characters:
            detail = f"{share:.1%} of the text, more than {self.max_duplicate_line_characters:.0%}"
            return Dropped("characters in duplicate lines", detail)
        limit = self.max_newlines_per_word
        enough = ceil(newlines / limit) if limit else -1
        if newlines > limit * len(text.split(None, enough)):  # the words are at least as many as the pieces
            share = newlines / len(words(text))
            if share > limit:
                return Dropped("a list", f"{share:.3f} line ends a word, more than {limit:g}")
        return document

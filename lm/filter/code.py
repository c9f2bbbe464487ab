"""Drop source files that are generated, minified, or encoded data: the rules of Codex and StarCoder.

The thresholds are those of Codex (Chen et al. 2021, arXiv:2107.03374: lines of at most 100 characters on average and
1000 at most), StarCoder (Li et al. 2023, arXiv:2305.06161: a quarter alphanumeric) and StarCoder 2 (Lozhkov et al.
2024, arXiv:2402.19173: markers in the first five lines, runs of 1024 encoded characters or half the file).
"""

import re
import string

from lm.bounds import Count, Natural, Positive, Share
from lm.corpus import Document, Dropped

GENERATED = re.compile(
    r"auto-?generated|automatically generated|generated automatically|this file (?:is|was) generated|@generated\b"
    r"|(?-i:DO NOT (?:EDIT|MODIFY)\b)",
    re.IGNORECASE,
)
RUN = 60  # fewest characters of base64 in one piece; names are shorter
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{60,}+={0,2}[\s\"'\\,]*+)+")
ESCAPES = re.compile(r"(?:(?:0[xX]|\\[xu])[0-9A-Fa-f]{2,4}+[\s,;\"']*+){8,}")  # 0x4f, 0x1b …  \x4f\x1b …
PAIRS = re.compile(r"[0-9A-Fa-f]{2}(?<!\w..)(?!\w)(?:[\s,;]++[0-9A-Fa-f]{2}(?!\w)){7,}")  # 4f 1b …
ALPHANUMERIC = (string.ascii_letters + string.digits).encode()


class CodeQuality:
    """Drop documents that break any of the rules. Lengths are in characters; blank lines count as lines.

    StarCoder 2 allows long lines in some markup, such as HTML and Markdown: use a second filter with its own limits.

    Args:
        head_lines: Lines at the top that are searched for a marker such as `auto-generated` or `DO NOT EDIT`.
        long_line: Characters above which a line is long.
        max_in_long_lines: Largest share of the text in long lines; above it the file is minified.
        max_line_length: Characters of the longest line.
        max_mean_line_length: Mean characters per line.
        min_alphanumeric: Smallest share of characters that are letters or digits.
        max_encoded_run: Longest run, in characters, of base64 or of bytes written as numbers.
        max_encoded: Largest share of the text in such runs.
    """

    def __init__(
        self,
        *,
        head_lines: Natural = 5,
        long_line: Count = 500,
        max_in_long_lines: Share = 0.5,
        max_line_length: Count = 1000,
        max_mean_line_length: Positive = 100.0,
        min_alphanumeric: Share = 0.25,
        max_encoded_run: Count = 1024,
        max_encoded: Share = 0.5,
    ):
        self.head_lines = head_lines
        self.long_line, self.max_in_long_lines = long_line, max_in_long_lines
        self.max_line_length, self.max_mean_line_length = max_line_length, max_mean_line_length
        self.min_alphanumeric = min_alphanumeric
        self.max_encoded_run, self.max_encoded = max_encoded_run, max_encoded

    def __call__(self, document: Document) -> Document | Dropped:
        if not document.text.strip():
            return Dropped("empty")
        lines = document.text.splitlines()
        return self._by_lines(lines) or self._by_characters(document.text) or document

    def _by_lines(self, lines: list[str]) -> Dropped | None:
        marked = GENERATED.search("\n".join(lines[: self.head_lines]))
        if marked:
            return Dropped("generated", f"{marked[0]!r} in the first {self.head_lines} lines")
        lengths = list(map(len, lines))
        total, longest = sum(lengths), max(lengths)
        share = sum(length for length in lengths if length > self.long_line) / total
        if share > self.max_in_long_lines:
            detail = f"{share:.1%} of the text in lines over {self.long_line} characters, more than"
            return Dropped("minified", f"{detail} {self.max_in_long_lines:.0%}")
        if longest > self.max_line_length:
            return Dropped("a line too long", f"{longest} characters, more than {self.max_line_length}")
        mean = total / len(lines)
        if mean > self.max_mean_line_length:
            detail = f"{mean:.1f} characters on average, more than {self.max_mean_line_length:g}"
            return Dropped("lines too long", detail)
        return None

    def _by_characters(self, text: str) -> Dropped | None:
        share = _alphanumeric(text) / len(text)
        if share < self.min_alphanumeric:
            detail = f"{share:.1%} of characters, fewer than {self.min_alphanumeric:.0%}"
            return Dropped("too few letters and digits", detail)
        runs = [len(match[0]) for pattern in _patterns(text) for match in pattern.finditer(text)]
        if not runs:
            return None
        if max(runs) > self.max_encoded_run:
            return Dropped("encoded data", f"{max(runs)} characters in one piece, more than {self.max_encoded_run}")
        if sum(runs) / len(text) > self.max_encoded:
            return Dropped("encoded data", f"{sum(runs) / len(text):.1%} of the text, more than {self.max_encoded:.0%}")
        return None


def _patterns(text: str) -> list[re.Pattern]:
    """Return the patterns that may match, by faster checks."""
    escaped = sum(map(text.count, ("0x", "0X", "\\x", "\\u"))) >= 8
    return [PAIRS] + [ESCAPES] * escaped + [BASE64] * (max(map(len, text.split())) >= RUN)


def _alphanumeric(text: str) -> int:
    """Count letters and digits."""
    if text.isascii():
        return len(text) - len(text.encode().translate(None, ALPHANUMERIC))
    return sum(map(str.isalnum, text))

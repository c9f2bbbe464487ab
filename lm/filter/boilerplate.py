"""Drop boilerplate lines of web pages, such as cookie notices and share buttons."""

import re
from collections.abc import Sequence
from dataclasses import replace

from lm.bounds import Count
from lm.corpus import Document, Dropped

PATTERNS = (
    r"(we|this (web)?site|our (web)?sites?) uses? cookies( .*)?",
    r"by (continuing|using) .* (cookies?|cookie policy|privacy policy|terms( of (use|service))?)",
    r"(accept|reject|manage|allow)( all)? cookies?( (settings|preferences))?",
    r"(cookie|privacy) (policy|settings|preferences|notice)",
    r"(privacy( policy)?|terms( (and conditions|of (use|service)))?)( ?[|·&/-] ?| and )(privacy( policy)?|terms.*)",
    r"(share|tweet|like|follow)( (this|us|it|me))?( (on|via|to))? (facebook|twitter|x|linkedin|pinterest|reddit)",
    r"(share this|click to share)( .*)?",
    r"((copyright|©|\(c\)) ?)+.*all rights reserved",
    r"all rights reserved",
    r"click here( (to|for) .*)?",
    r"(please )?(enable|turn on) (javascript|cookies)( .*)?",
    r"(javascript|your browser) (is|has|does|must) .*(disabled|enabled|supported|support .*)",
    r"(skip to (main )?content|back to top|(read|show|load|view) more|(sign|log) (in|up)|subscribe( now)?)",
    r"(sign up (for|to)|subscribe to) (our|the) .*newsletter( .*)?",
    r"(previous|next) (post|article|page)|(leave|post) a (comment|reply)|page \d+ of \d+",
    r"advertisements?|sponsored( content)?",
)
EDGES = " \t\r.,:;!?*•·|«»<>[]→←↑–—-…\u00a0"


class Boilerplate:
    """Drop each line that a pattern matches whole, and a document without any other line.

    The patterns are few, English and precise: within a sentence the same words have meaning, so parts of lines stay.

    Args:
        patterns: Regular expressions of whole lines, matched in any case; bullets, punctuation and white space at both
            ends of a line are ignored. A list of your own replaces the default.
        max_line_length: Characters of the longest line that is checked; longer lines stay.
    """

    def __init__(self, *, patterns: Sequence[str] = PATTERNS, max_line_length: Count = 120):
        if isinstance(patterns, str) or not patterns:
            raise ValueError("filter.patterns must be a list of one or more regular expressions of whole lines")
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"filter.patterns {pattern!r} is not a regular expression: {error}; write \\ before . ( [ * + ?"
                ) from None
        if max_line_length < 1:
            raise ValueError(f"filter.max_line_length {max_line_length} matches no line: give 1 or more characters")
        self.patterns, self.max_line_length = list(patterns), max_line_length
        self.matches = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE).fullmatch

    def __call__(self, document: Document) -> Document | Dropped:
        lines = document.text.split("\n")
        kept = [line for line in lines if len(line) > self.max_line_length or not self._is_boilerplate(line)]
        if len(kept) == len(lines):
            return document
        text = "\n".join(kept)
        if not text or text.isspace():
            return Dropped("only boilerplate", f"{len(lines) - len(kept)} lines, the first {lines[0].strip()!r}")
        return replace(document, text=text)

    def _is_boilerplate(self, line: str) -> bool:
        line = line.strip(EDGES)
        return bool(line) and self.matches(line) is not None

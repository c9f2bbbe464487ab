"""Lines that a site puts under every page: told once they are knowledge, a million times they are noise."""

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
    """Drop the lines that one of `patterns` matches whole, in any case, if they are at most `longest` characters.

    What stands at the ends of a line, as bullets and stops, does not count. Whole lines only: within a sentence the
    same words say something. The patterns are few, English and certain; sites of your own have others.
    """

    def __init__(self, *, patterns: Sequence[str] = PATTERNS, longest: Count = 120):
        if isinstance(patterns, str) or not patterns:
            raise ValueError("filter.patterns is empty or no list: give one or more regular expressions of whole lines")
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"filter.patterns {pattern!r} is not a regular expression: {error}; write \\ before . ( [ * + ?"
                ) from None
        if longest < 1:
            raise ValueError(f"filter.longest {longest} matches no line: give characters, for example 120")
        self.patterns, self.longest = list(patterns), longest
        self.matches = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE).fullmatch

    def __call__(self, document: Document) -> Document | Dropped:
        lines = document.text.split("\n")
        kept = [line for line in lines if len(line) > self.longest or not self._is_boilerplate(line)]
        if len(kept) == len(lines):
            return document
        text = "\n".join(kept)
        if not text or text.isspace():
            return Dropped("only boilerplate", f"{len(lines) - len(kept)} lines, the first {lines[0].strip()!r}")
        return replace(document, text=text)

    def _is_boilerplate(self, line: str) -> bool:
        line = line.strip(EDGES)
        return bool(line) and self.matches(line) is not None

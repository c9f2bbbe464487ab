"""Repair mojibake, remove invisible characters, normalize line endings and white space."""

import re
import unicodedata
from dataclasses import replace
from typing import Literal

from lm.bounds import Natural
from lm.corpus import Document, Dropped
from lm.filter.text.mojibake import repair_mojibake

# Scripts with joining letters, where a joiner or non-joiner changes the word: Arabic, Syriac, N'Ko, those of India,
# Myanmar, Khmer, Mongolian, those of Indonesia.
JOINING = (
    "\u0600-\u07ff\u0840-\u08ff\u0900-\u0dff\u1000-\u109f\u1700-\u18af\u1900-\u1aff\u1b00-\u1cff"
    "\ua800-\uaaff\ufb50-\ufdff\ufe70-\ufefc\U00011000-\U00011fff"
)
# Scripts without spaces, where a zero-width space separates words: Thai, Lao, Tibetan, Myanmar, Khmer, Tai.
SPACELESS = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
EMOJI = "\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0f\U0001f000-\U0001faff"

ESCAPES = r"\x1b\[[0-9;:?]*[ -/]*[@-~]"  # colours and cursor moves of a terminal
CONTROLS = rf"{ESCAPES}|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
LINE_ENDING = re.compile("\r+\n?|[\x0b\x0c\x85\u2028\u2029]")
SOFT_HYPHENS = "\u00ad"
BIDIRECTIONAL = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]"
ZERO_WIDTH = "|".join(
    [
        "[\u2060\ufeff]",
        f"(?<![{SPACELESS}])\u200b",
        f"(?<![{JOINING}])\u200c",
        f"(?<![{JOINING}{EMOJI}])\u200d",
        f"(?<![{JOINING}])\u200d(?![{EMOJI}])",
        # Tags spell out the flags of regions after a black flag; anywhere else they hide text.
        "(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+",
    ]
)
# One class of all of them, so that one search passes a text without any.
ANY = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060\u2066-\u206f\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
)


class Clean:
    """Clean a text without changing how it reads, and code without changing how it runs.

    Tabs, indentation and no-break spaces stay. Three things are lost: line breaks written as two trailing blanks in
    Markdown, trailing blanks inside multi-line strings of code, and terminal colours.

    Args:
        repair: Repair mojibake such as `Ã©` for é where ftfy is sure (needs lightning-lm[corpus]).
        normal_form: Unicode normal form, or null for none. NFC is safe for most scripts; NFKC also maps ½ to 1⁄2 and
            ﬁ to fi, which damages code and formulas.
        controls: Remove control characters, except tabs and line endings, and terminal escape sequences.
        zero_width: Remove zero-width characters, except where a script or an emoji needs them.
        bidirectional: Remove marks of writing direction, which can make code read differently from how it runs.
        soft_hyphens: Remove soft hyphens.
        line_endings: Replace CR, CR LF, form feed and the Unicode line separators by LF.
        trailing_whitespace: Remove blanks and tabs at line ends; false for Markdown with hard line breaks.
        max_blank_lines: Longest run of blank lines that stays, and none at both ends of the text; null for no limit.
        no_break_spaces: Replace no-break spaces by plain spaces.
    """

    def __init__(
        self,
        *,
        repair: bool = True,
        normal_form: Literal["NFC", "NFKC"] | None = None,
        controls: bool = True,
        zero_width: bool = True,
        bidirectional: bool = True,
        soft_hyphens: bool = True,
        line_endings: bool = True,
        trailing_whitespace: bool = True,
        max_blank_lines: Natural | None = 2,
        no_break_spaces: bool = False,
    ):
        if repair:
            import ftfy  # noqa: F401  (fail now, not in the middle of a corpus)
        if normal_form not in (None, "NFC", "NFKC"):
            raise ValueError(f"filter.normal_form {normal_form!r} is not a normal form: give NFC, NFKC or null")
        if max_blank_lines is not None and max_blank_lines < 0:
            raise ValueError(f"filter.max_blank_lines {max_blank_lines} is negative: give 0 or more, or null for any")
        self.repair, self.normal_form, self.line_endings = repair, normal_form, line_endings
        self.controls, self.zero_width = controls, zero_width
        self.bidirectional, self.soft_hyphens = bidirectional, soft_hyphens
        self.trailing_whitespace, self.max_blank_lines = trailing_whitespace, max_blank_lines
        self.no_break_spaces = no_break_spaces
        chosen = {
            CONTROLS: controls,
            ZERO_WIDTH: zero_width,
            BIDIRECTIONAL: bidirectional,
            SOFT_HYPHENS: soft_hyphens,
        }
        self.invisible = re.compile("|".join(pattern for pattern, remove in chosen.items() if remove) or "(?!)")

    def __call__(self, document: Document) -> Document | Dropped:
        text = self._clean(document.text)
        if not text or text.isspace():
            return Dropped("no text left", f"{len(document.text)} characters, none to read")
        return document if text == document.text else replace(document, text=text)

    def _clean(self, text: str) -> str:
        if self.repair and not text.isascii():
            text = repair_mojibake(text)
        if not text.replace("\n", "").isprintable() and ANY.search(text):  # isprintable is faster
            if self.line_endings:
                text = LINE_ENDING.sub(_newlines, text.replace("\r\n", "\n"))
            if ANY.search(text):
                text = self.invisible.sub("", text)
        if self.normal_form and not unicodedata.is_normalized(self.normal_form, text):
            text = unicodedata.normalize(self.normal_form, text)
        if self.no_break_spaces:
            text = text.replace("\u00a0", " ").replace("\u202f", " ")
        trailing = " \n" in text or ("\t" in text and "\t\n" in text) or text.endswith((" ", "\t"))
        if self.trailing_whitespace and trailing:
            text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
        return text if self.max_blank_lines is None else self._limit_blank_lines(text)

    def _limit_blank_lines(self, text: str) -> str:
        """Shorten runs of blank lines to the limit; remove those before the first line and after the last."""
        longest = "\n" * (self.max_blank_lines + 1)
        if longest + "\n" in text:
            text = re.sub(longest + "\n+", longest, text)
        text = text.lstrip("\n") if text.startswith("\n") else text
        return text.rstrip("\n") + "\n" if text.endswith("\n\n") else text


def _newlines(match: re.Match) -> str:
    """Any number of CR before a LF end one line; without the LF, each CR ends one."""
    return "\n" if match[0].endswith("\n") else "\n" * len(match[0])

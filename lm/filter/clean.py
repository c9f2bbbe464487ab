"""What no reader wants and no rule should judge: broken encodings, characters nobody sees, blanks where lines end."""

import re
import unicodedata
from dataclasses import replace
from typing import Literal

from lm.bounds import Natural
from lm.corpus import Document, Dropped
from lm.filter.text.invisible import ANY, BIDIRECTIONAL, CONTROLS, LINE_ENDS, SOFT_HYPHENS, ZERO_WIDTH
from lm.filter.text.repair import repair_encoding


class Clean:
    """Change a text only where it reads the same afterwards, and code where it runs the same.

    Tabs, indentation and no-break spaces stay. Most texts need nothing: a look at each says so. What it costs: two
    blanks that end a line in Markdown, and blanks at the end of a line within a string in code. Also terminal colours
    go, and form feeds become line ends. NFC is safe for most scripts; NFKC also makes ½ 1⁄2 and ﬁ fi, and spoils code
    and formulas.
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
        line_ends: bool = True,
        trailing_blanks: bool = True,
        blank_lines: Natural | None = 2,
        no_break_spaces: bool = False,
    ):
        if repair:
            import ftfy  # noqa: F401  (told now, not in the middle of a corpus)
        if normal_form not in (None, "NFC", "NFKC"):
            raise ValueError(f"filter.normal_form {normal_form!r} is not a normal form: give NFC, NFKC or null")
        if blank_lines is not None and blank_lines < 0:
            raise ValueError(f"filter.blank_lines {blank_lines} is less than none: give 0 or more, or null for any")
        self.repair, self.normal_form, self.line_ends = repair, normal_form, line_ends
        self.controls, self.zero_width = controls, zero_width
        self.bidirectional, self.soft_hyphens = bidirectional, soft_hyphens
        self.trailing_blanks, self.blank_lines, self.no_break_spaces = trailing_blanks, blank_lines, no_break_spaces
        chosen = {
            CONTROLS: controls,
            ZERO_WIDTH: zero_width,
            BIDIRECTIONAL: bidirectional,
            SOFT_HYPHENS: soft_hyphens,
        }
        self.unseen = re.compile("|".join(each for each, remove in chosen.items() if remove) or "(?!)")

    def __call__(self, document: Document) -> Document | Dropped:
        text = self._clean(document.text)
        if not text or text.isspace():
            return Dropped("no text left", f"{len(document.text)} characters, none to read")
        return document if text == document.text else replace(document, text=text)

    def _clean(self, text: str) -> str:
        if self.repair and not text.isascii():
            text = repair_encoding(text)
        if not text.replace("\n", "").isprintable() and ANY.search(text):  # what prints is none of them: a quicker look
            if self.line_ends:
                text = LINE_END.sub(_line_ends, text.replace("\r\n", "\n"))
            if ANY.search(text):
                text = self.unseen.sub("", text)
        if self.normal_form and not unicodedata.is_normalized(self.normal_form, text):
            text = unicodedata.normalize(self.normal_form, text)
        if self.no_break_spaces:
            text = text.replace("\u00a0", " ").replace("\u202f", " ")
        if self.trailing_blanks and (" \n" in text or ("\t" in text and "\t\n" in text) or text.endswith((" ", "\t"))):
            text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
        return text if self.blank_lines is None else self._limit_blank_lines(text)

    def _limit_blank_lines(self, text: str) -> str:
        """Runs within the text cut to the limit; none before its first line nor after its last."""
        most = "\n" * (self.blank_lines + 1)
        if most + "\n" in text:
            text = re.sub(most + "\n+", most, text)
        text = text.lstrip("\n") if text.startswith("\n") else text
        return text.rstrip("\n") + "\n" if text.endswith("\n\n") else text


def _line_ends(found: re.Match) -> str:
    """Any number of CR before a LF end one line; without it, each ends one."""
    return "\n" if found[0].endswith("\n") else "\n" * len(found[0])


LINE_END = re.compile(LINE_ENDS)

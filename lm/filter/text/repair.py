"""Text that was read in the wrong encoding, as `Ã©` for é: ftfy knows which, and this finds the few lines it must see.

ftfy alone reads 5 to 10 MB/s of any text with an accent in it; every line of such text is not worth that.
"""

import re
from functools import cache

SINGLE_BYTE = (
    "latin-1",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1257",
    "iso-8859-2",
    "mac-roman",
    "cp437",
)  # the encodings that ftfy undoes


def repair_encoding(text: str) -> str:
    """The text with each line repaired of which ftfy is sure; others as they are."""
    pieces, done = [], 0
    pattern, pairs = _suspicious()
    for found in pattern.finditer(text):
        here = found.start()
        if here < done or (text[here : here + 2] not in pairs and not "\x80" <= text[here] <= "\x9f"):
            continue
        start, end = text.rfind("\n", 0, here) + 1, text.find("\n", here)
        end = len(text) if end < 0 else end
        pieces += [text[done:start], _repair_line(text[start:end])]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _repair_line(line: str) -> str:
    """Repaired only if it then looks less broken; ftfy may not put � for what cannot be known."""
    import ftfy
    from ftfy.badness import badness

    before = badness(line)
    if not before:
        return line
    options = ftfy.TextFixerConfig(unescape_html=False, replace_lossy_sequences=False)
    repaired = ftfy.fix_encoding(line, options)
    return repaired if badness(repaired) < before else line


@cache
def _suspicious() -> tuple[re.Pattern, frozenset[str]]:
    """Where ftfy might change a line: a C1 control, or the first two bytes of a character in UTF-8 as some encoding
    reads them. The pattern finds such controls and any first, of which the pairs say more: one class of characters is
    looked for five times as fast as what may follow it with it."""
    pairs = {f"{letter} " for letter in "ÂÃÐÎ"}
    for encoding in SINGLE_BYTE:
        first, second = _become(range(0xC2, 0xF5), encoding), _become(range(0x80, 0xC0), encoding)
        pairs |= {one + other for one in first for other in second}
    firsts = re.escape("".join(sorted({pair[0] for pair in pairs})))
    return re.compile(f"[\x80-\x9f{firsts}]"), frozenset(pairs)


def _become(codes: range, encoding: str) -> set[str]:
    """What the bytes are in an encoding, or as Latin-1 where it has no such byte."""
    return {bytes([code]).decode(encoding, errors="ignore") or chr(code) for code in codes}

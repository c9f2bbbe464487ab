"""Repair mojibake, text decoded with the wrong encoding such as `Ã©` for é, with ftfy.

ftfy reads 5 to 10 MB/s of non-ASCII text, so only lines with a suspicious byte pair are passed to it.
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
)  # the encodings whose mojibake ftfy repairs


def repair_mojibake(text: str) -> str:
    """Return the text with every line repaired that ftfy is sure of."""
    pieces, done = [], 0
    pattern, pairs = _suspicious()
    for match in pattern.finditer(text):
        here = match.start()
        if here < done or (text[here : here + 2] not in pairs and not "\x80" <= text[here] <= "\x9f"):
            continue
        start, end = text.rfind("\n", 0, here) + 1, text.find("\n", here)
        end = len(text) if end < 0 else end
        pieces += [text[done:start], _repair_line(text[start:end])]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _repair_line(line: str) -> str:
    """Repair a line if it then looks less broken; ftfy may not write � for bytes that are lost."""
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
    """Return a pattern for C1 controls and first characters of mojibake, and the pairs that confirm a match.

    A pair is the first two bytes of a UTF-8 character as some single-byte encoding decodes them. One character class
    matches five times as fast as a pattern of pairs.
    """
    pairs = {f"{letter} " for letter in "ÂÃÐÎ"}
    for encoding in SINGLE_BYTE:
        first, second = _decoded(range(0xC2, 0xF5), encoding), _decoded(range(0x80, 0xC0), encoding)
        pairs |= {one + other for one in first for other in second}
    firsts = re.escape("".join(sorted({pair[0] for pair in pairs})))
    return re.compile(f"[\x80-\x9f{firsts}]"), frozenset(pairs)


def _decoded(codes: range, encoding: str) -> set[str]:
    """Decode each byte, as Latin-1 where the encoding lacks it."""
    return {bytes([code]).decode(encoding, errors="ignore") or chr(code) for code in codes}

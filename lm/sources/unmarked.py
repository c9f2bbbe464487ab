"""Find UTF-16 and UTF-32 without a byte order mark by where NUL bytes stand.

In UTF-32 the highest byte of every character is 0. In UTF-16 line ends, blanks and Latin letters have a 0 as their high
byte; which byte order is meant shows in which of both readings has more line ends, blanks and punctuation, because
read in the other order these are rare or unassigned characters.
"""

import codecs
import unicodedata

SAMPLE = 1 << 14  # bytes
TINY = 16
ASCII = bytes(range(0x20, 0x7F)) + b"\0\t\n\r"
CONTROLS = bytes([*range(1, 8), *range(14, 27), *range(28, 32), 127])
USUAL = "\n\r\t ,.\"'"
ODD = {"Cc", "Cn", "Co", "Cs"}  # controls, unassigned, private, lone surrogates


def unmarked_encoding(head: bytes) -> str | None:
    """Return utf-16-le, utf-16-be, utf-32-le or utf-32-be if the bytes are text in it; None otherwise.

    Args:
        head: The first bytes of a file without byte order mark.
    """
    sample = head[:SAMPLE]
    nuls = sample.count(b"\0")
    if not nuls:
        return None
    for order in ("le", "be"):
        if _is_text(_decoded(head, f"utf-32-{order}")):
            return f"utf-32-{order}"
    ascii_only = 20 * len(sample.translate(None, ASCII)) <= len(sample)
    if (ascii_only or _is_utf8_text(sample)) and not 0.4 < nuls / len(sample) < 0.6:
        return None  # ASCII would have every second byte 0: this has a part in UTF-8, or some stray zeros
    texts = {name: _decoded(head, name) for name in ("utf-16-le", "utf-16-be")}
    likely = max(texts, key=lambda name: _usual(texts[name]))
    return likely if _usual(texts[likely]) and _is_text(texts[likely]) else None


def _is_utf8_text(sample: bytes) -> bool:
    """Whether bytes are valid UTF-8 with few control characters but NUL, which other scripts in UTF-16 are full of."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # accepts a character cut off at the end
    except UnicodeDecodeError:
        return False
    return 100 * (len(sample) - len(sample.translate(None, CONTROLS))) <= len(sample)


def _decoded(head: bytes, encoding: str) -> str:
    """Decode a sample without a character cut off at its end, with � for what is invalid; "" if it is too short."""
    width = 4 if "32" in encoding else 2
    size = min(len(head), SAMPLE) // width * width
    if size == 0 or (len(head) < SAMPLE and len(head) - size > int(len(head) > TINY)):
        return ""  # of a few bytes all must be used; a longer file may be cut, or have one byte added
    return codecs.getincrementaldecoder(encoding)("replace").decode(head[:size])


def _usual(text: str) -> int:
    return sum(map(text.count, USUAL)) + sum("a" <= letter <= "z" for letter in text)


def _is_text(text: str) -> bool:
    """Whether at most a hundredth of the characters do not occur in texts."""
    odd = sum(unicodedata.category(letter) in ODD and letter not in "\n\r\t\f\v\b\x1b\ufeff" for letter in text)
    return bool(text) and 100 * (odd + text.count("�")) <= len(text)

"""Numbers in any script, as ASCII."""

import unicodedata
from functools import cache


def plain_digits(text: str) -> str:
    """Return a text whose digits of any script, full-width signs and vulgar fractions are ASCII.

    Marks of direction, and other characters that cannot be seen, are removed. Superscripts stay as they are: 10² is
    not 102.
    """
    return text if text.isascii() else "".join(map(_plain, text))


@cache
def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if 0xFF01 <= ord(character) <= 0xFF5E:  # full-width forms of ASCII
        return chr(ord(character) - 0xFEE0)
    apart = unicodedata.normalize("NFKC", character)
    return f" {apart.replace('⁄', '/')}" if category == "No" and "⁄" in apart else character

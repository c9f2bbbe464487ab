"""Characters that tell whether two libraries have the same tables of Unicode."""

import sys
import unicodedata
from functools import cache

import numpy as np

PLANES = [(0, 0x323AF), (0xE0000, 0xE01EF)]  # where Unicode has assigned characters, other than for private use
PRIVATE = [(0xE000, 0xF8FF), (0xF0000, sys.maxunicode)]
HANGUL = (0xAC00, 0xD7A3)
UNIFORM = [(0x3400, 0x9FFF), HANGUL, (0x17000, 0x18CFF), (0x20000, 0x323AF)]  # large blocks of one kind


def code_points(text: str) -> np.ndarray:
    """Return the code points of a text, uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


@cache
def unicode_edges() -> tuple[list[str], list[str], np.ndarray]:
    """Return the characters to try, as Python's `unicodedata` has them.

    Returns:
        Characters whose neighbour is of another category or block, characters in their decomposed form, and which code
        points this Python knows no character for: bool [0x110000]. Libraries may be older or newer.
    """
    edges, decomposed, unassigned = [], [], np.ones(sys.maxunicode + 1, dtype=bool)
    for first, last in PLANES:
        kinds = [unicodedata.category(chr(point)) for point in range(first, last + 1)]
        unassigned[first : last + 1] = [kind == "Cn" for kind in kinds]
        for place, kind in enumerate(kinds):
            point, beside = first + place, (kinds[place - 1], kinds[min(place + 1, last - first)])
            if kind in ("Cn", "Cs"):
                continue
            aligned = point % 16 in (0, 15) and not any(start < point < stop for start, stop in UNIFORM)
            if aligned or beside != (kind, kind):
                edges.append(chr(point))
            text = unicodedata.normalize("NFD", chr(point))
            if text != chr(point) and not HANGUL[0] < point < HANGUL[1]:
                decomposed.append(text)
    for first, last in PRIVATE:
        unassigned[first : last + 1] = False
        edges += [chr(first), chr(last)]
    return edges, decomposed, unassigned

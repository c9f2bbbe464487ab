"""Words and pairs of words as numbers, a whole text at a time: no vocabulary to keep, and none that can be out of date.

Two words may share a number: with 262,144 of them that costs a linear classifier next to nothing.
"""

from functools import cache

import numpy as np

BITS = 18
BASE, MIX, PAIR = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F  # odd, so that they can be undone
BLANK, WORD, SIGN = range(3)
CHARACTER = 0xE3  # bytes from here on begin a character of its own weight: kana, Chinese, Hangul, emoji


def hashed_words(text: str) -> np.ndarray:
    """A number below 2 ** BITS for each word, digit run or sign in order, then for each two of them that follow each
    other. Capitals count as small letters, and every digit as 0."""
    data = SMALL[np.frombuffer(text.lower().encode(errors="surrogatepass"), dtype=np.uint8)]
    if not len(data):
        return np.zeros(0, dtype=np.int32)
    kinds = KINDS[data]
    begins = (kinds == SIGN) | (data >= CHARACTER)
    begins[0] |= kinds[0] == WORD
    begins[1:] |= (kinds[1:] == WORD) & (kinds[:-1] != WORD)
    ends = kinds != BLANK
    ends[:-1] &= begins[1:] | (kinds[1:] == BLANK)
    starts, stops = np.flatnonzero(begins), np.flatnonzero(ends) + 1
    powers, inverses = _powers(1 << max(12, (len(data) - 1).bit_length()))
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum((data + np.uint64(1)) * powers[: len(data)], out=sums[1:])
    words = _mixed((sums[stops] - sums[starts]) * inverses[starts])
    pairs = _mixed(words[:-1] * np.uint64(PAIR) + words[1:])
    return (np.concatenate([words, pairs]) >> np.uint64(64 - BITS)).astype(np.int32)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Every bit of the upper half depends on all bits."""
    values = (values ^ (values >> np.uint64(32))) * np.uint64(MIX)
    return (values ^ (values >> np.uint64(29))) * np.uint64(MIX)


@cache
def _powers(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers of BASE and of what undoes it, modulo 2**64: a word has the same sum wherever it stands."""
    return tuple(
        np.concatenate([np.ones(1, np.uint64), np.full(size - 1, number, np.uint64)]).cumprod(dtype=np.uint64)
        for number in (BASE, pow(BASE, -1, 1 << 64))
    )


def _kind(byte: int) -> int:
    if byte >= 0x80 or chr(byte).isalnum():
        return WORD
    return BLANK if byte <= 0x20 or byte == 0x7F else SIGN


KINDS = np.array([_kind(byte) for byte in range(256)], dtype=np.uint8)
SMALL = np.array([ord("0") if chr(byte) in "0123456789" else byte for byte in range(256)], dtype=np.uint8)

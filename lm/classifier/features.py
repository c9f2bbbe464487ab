"""Texts as sets of hashed features: words, pairs of words, and runs of characters. No vocabulary is needed."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from lm.bounds import Count

BASE, MIX, PAIR = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F  # odd, hence invertible modulo 2**64
FEATURE_BITS = 18
BLANK, WORD, SIGN = range(3)
CHARACTER = 0xE3  # lead bytes from here on make each character a word: kana, Chinese, Hangul, emoji


class TextFeatures:
    """The features of a text, each counted once: words, pairs of adjacent words, and runs of characters.

    Runs of characters recognize a word in its forms, its misspellings and within other words.

    Args:
        characters: Lengths of the runs, in bytes of lower case text in which a blank stands for white space, as
            [3, 4]; [] for words alone.
    """

    def __init__(self, characters: Sequence[Count] = (3, 4, 5)):
        if min(characters, default=1) < 1:
            raise ValueError(f"features.characters={[*characters]}: lengths are 1 or more, as [3,4]")
        self.characters = [*characters]

    @property
    def size(self) -> int:
        """The number of features that there can be."""
        return (2 if self.characters else 1) << FEATURE_BITS

    def __call__(self, text: str) -> np.ndarray:
        """Return the distinct features of a text in ascending order, int64 below `size`."""
        words = word_features(text).astype(np.int64)
        runs = [hashes + (1 << FEATURE_BITS) for hashes in character_features(text, self.characters)]
        return np.unique(np.concatenate([words, *runs]))


def word_features(text: str) -> np.ndarray:
    """Hash each word, then each pair of adjacent words, to a feature below 2 ** FEATURE_BITS (int32).

    Words are runs of letters, runs of digits, and single signs, in lower case and with every digit as 0. No vocabulary
    is needed. Words may share a feature: with 262,144 features that costs a linear classifier next to nothing.
    """
    data = NORMALIZED[np.frombuffer(text.lower().encode(errors="surrogatepass"), dtype=np.uint8)]
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
    return (np.concatenate([words, pairs]) >> np.uint64(64 - FEATURE_BITS)).astype(np.int32)


def character_features(text: str, lengths: Sequence[int]) -> list[np.ndarray]:
    """Hash each run of characters of each length to a feature below 2 ** FEATURE_BITS (int64).

    White space counts as one blank and stands at both ends of a text, digits are 0, letters in lower case.
    """
    data = NORMALIZED[np.frombuffer(text.lower().encode(errors="surrogatepass"), dtype=np.uint8)]
    blank = KINDS[data] == BLANK
    if blank.all():
        return []
    kept = ~blank
    kept[:-1] |= blank[:-1] & ~blank[1:]
    data = np.where(blank, 0x20, data)[kept].astype(np.uint64)
    data = np.concatenate([[0x20], data[int(data[0] == 0x20) :], [0x20]]).astype(np.uint64)
    powers, inverses = _powers(1 << max(12, (len(data) - 1).bit_length()))
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum((data + np.uint64(1)) * powers[: len(data)], out=sums[1:])
    found = []
    for length in lengths:
        count = max(0, len(data) - length + 1)
        runs = _mixed((sums[length : length + count] - sums[:count]) * inverses[:count])
        found.append((runs >> np.uint64(64 - FEATURE_BITS)).astype(np.int64))
    return found


def _mixed(values: np.ndarray) -> np.ndarray:
    """Make every bit of the upper half depend on all bits."""
    values = (values ^ (values >> np.uint64(32))) * np.uint64(MIX)
    return (values ^ (values >> np.uint64(29))) * np.uint64(MIX)


@cache
def _powers(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers of BASE and of its inverse modulo 2**64, so that a word has the same sum at every offset."""
    return tuple(
        np.concatenate([np.ones(1, np.uint64), np.full(size - 1, number, np.uint64)]).cumprod(dtype=np.uint64)
        for number in (BASE, pow(BASE, -1, 1 << 64))
    )


def _kind(byte: int) -> int:
    if byte >= 0x80 or chr(byte).isalnum():
        return WORD
    return BLANK if byte <= 0x20 or byte == 0x7F else SIGN


KINDS = np.array([_kind(byte) for byte in range(256)], dtype=np.uint8)
NORMALIZED = np.array([ord("0") if chr(byte) in "0123456789" else byte for byte in range(256)], dtype=np.uint8)

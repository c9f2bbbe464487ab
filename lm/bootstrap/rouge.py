"""ROUGE-L, the similarity of two short texts by their longest common subsequence of words (Lin 2004)."""

import re

WORD = re.compile(r"\w+")


class RougeIndex:
    """Texts, and the similarity of the nearest of them to another text.

    A row of the dynamic programming table is one integer (bit-parallel, Hyyrö 2004): some hundred thousand texts per
    second.
    """

    def __init__(self) -> None:
        self._texts: list[tuple[dict[str, int], int, frozenset[str]]] = []

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Add a text."""
        words = _words(text)
        places: dict[str, int] = {}
        for place, word in enumerate(words):
            places[word] = places.get(word, 0) | 1 << place
        self._texts.append((places, len(words), frozenset(words)))

    def max_similarity(self, text: str, *, above: float = 0.0) -> float:
        """Return the largest F-measure of `text` with any text of the index, 0 if it is not `above`."""
        words = _words(text)
        distinct, largest = frozenset(words), 0.0
        for places, length, others in self._texts:
            total = length + len(words)
            if not total or 2 * min(length, len(words)) <= max(above, largest) * total or distinct.isdisjoint(others):
                continue
            largest = max(largest, 2 * _common(places, length, words) / total)
        return largest if largest > above else 0.0


def _common(places: dict[str, int], length: int, words: list[str]) -> int:
    """Return the length of the longest common subsequence."""
    ones = (1 << length) - 1
    row = ones
    for word in words:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & ones
    return length - row.bit_count()


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())

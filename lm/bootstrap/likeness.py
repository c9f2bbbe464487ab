"""How much of their words two short texts have in the same order: ROUGE-L (Lin 2004)."""

import re

WORD = re.compile(r"\w+")


class Known:
    """Texts, and how like them another is. A subsequence of words is found with one whole number for a row of the usual
    table, some hundred thousand texts a second (Hyyrö 2004: bit-parallel)."""

    def __init__(self) -> None:
        self._texts: list[tuple[dict[str, int], int, frozenset[str]]] = []

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Know one more."""
        words = _words(text)
        places: dict[str, int] = {}
        for place, word in enumerate(words):
            places[word] = places.get(word, 0) | 1 << place
        self._texts.append((places, len(words), frozenset(words)))

    def most_alike(self, text: str, *, above: float = 0.0) -> float:
        """The largest F-measure of the longest common subsequence of words with any; what is not `above` may be told
        as 0."""
        words = _words(text)
        distinct, most = frozenset(words), 0.0
        for places, length, others in self._texts:
            total = length + len(words)
            if not total or 2 * min(length, len(words)) <= max(above, most) * total or distinct.isdisjoint(others):
                continue
            most = max(most, 2 * _common(places, length, words) / total)
        return most if most > above else 0.0


def _common(places: dict[str, int], length: int, words: list[str]) -> int:
    """Words of the longest common subsequence."""
    whole = (1 << length) - 1
    row = whole
    for word in words:
        here = row & places.get(word, 0)
        row = ((row + here) | (row - here)) & whole
    return length - row.bit_count()


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())

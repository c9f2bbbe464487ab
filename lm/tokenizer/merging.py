"""Count symbols and pairs of neighbours during merges: what BPE and WordPiece share."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Generic, TypeVar

Symbol = TypeVar("Symbol", int, str)


class Neighbours(Generic[Symbol]):
    """Occurrences of each symbol and each pair of neighbours in counted words, updated by merges.

    A merge costs time in the words that contain the pair, not in all words.

    Args:
        words: Symbols of each word, and its occurrences.
    """

    def __init__(self, words: Iterable[tuple[list[Symbol], int]]):
        self.symbols: dict[Symbol, int] = defaultdict(int)
        self.pairs: dict[tuple[Symbol, Symbol], int] = defaultdict(int)
        self._words: list[list[Symbol]] = []
        self._times: list[int] = []
        self._places: dict[tuple[Symbol, Symbol], list[int]] = defaultdict(list)  # words with it, now or earlier
        for number, (word, times) in enumerate(words):
            self._words.append(word)
            self._times.append(times)
            for symbol in word:
                self.symbols[symbol] += times
            for pair in pairwise(word):
                self.pairs[pair] += times
                self._add_place(pair, number)

    def merge(self, pair: tuple[Symbol, Symbol], merged: Symbol) -> dict[tuple[Symbol, Symbol], int]:
        """Replace the pair by `merged` everywhere, from the left; return the changes of the counts of pairs."""
        left, right = pair
        changes: dict[tuple[Symbol, Symbol], int] = defaultdict(int)
        for number in self._places.pop(pair):
            word, times = self._words[number], self._times[number]
            joined = _joined(word, left, right, merged)
            if not (made := len(word) - len(joined)):
                continue
            self._words[number] = joined
            self.symbols[left] -= made * times
            self.symbols[right] -= made * times
            self.symbols[merged] += made * times
            for neighbours in pairwise(word):
                changes[neighbours] -= times
            for neighbours in pairwise(joined):
                changes[neighbours] += times
                if merged in neighbours:
                    self._add_place(neighbours, number)
        changes = {neighbours: change for neighbours, change in changes.items() if change}
        for neighbours, change in changes.items():
            self.pairs[neighbours] += change
        return changes

    def _add_place(self, pair: tuple[Symbol, Symbol], number: int) -> None:
        places = self._places[pair]
        if not places or places[-1] != number:
            places.append(number)


def _joined(word: list[Symbol], left: Symbol, right: Symbol, merged: Symbol) -> list[Symbol]:
    joined, place, last = [], 0, len(word) - 1
    while place <= last:
        if word[place] == left and place < last and word[place + 1] == right:
            joined.append(merged)
            place += 2
        else:
            joined.append(word[place])
            place += 1
    return joined

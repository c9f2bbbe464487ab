"""Words as symbols of which pairs of neighbours are merged, with every count kept: what BPE and WordPiece share."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Generic, TypeVar

Symbol = TypeVar("Symbol", int, str)


class Neighbours(Generic[Symbol]):
    """How often each symbol and each pair of neighbours occurs in counted words, while pairs become symbols.

    A merge costs what the words that hold the pair cost, not what all of them do.
    """

    def __init__(self, words: Iterable[tuple[list[Symbol], int]]):
        self.symbols: dict[Symbol, int] = defaultdict(int)
        self.pairs: dict[tuple[Symbol, Symbol], int] = defaultdict(int)
        self._words: list[list[Symbol]] = []
        self._times: list[int] = []
        self._places: dict[tuple[Symbol, Symbol], list[int]] = defaultdict(list)  # words that hold, or once held, it
        for number, (word, times) in enumerate(words):
            self._words.append(word)
            self._times.append(times)
            for symbol in word:
                self.symbols[symbol] += times
            for pair in pairwise(word):
                self.pairs[pair] += times
                self._note(pair, number)

    def merge(self, pair: tuple[Symbol, Symbol], merged: Symbol) -> dict[tuple[Symbol, Symbol], int]:
        """Make `merged` of a pair wherever it stands, from the left; how the counts of pairs changed by it."""
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
            for each in pairwise(word):
                changes[each] -= times
            for each in pairwise(joined):
                changes[each] += times
                if merged in each:
                    self._note(each, number)
        changes = {each: change for each, change in changes.items() if change}
        for each, change in changes.items():
            self.pairs[each] += change
        return changes

    def _note(self, pair: tuple[Symbol, Symbol], number: int) -> None:
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

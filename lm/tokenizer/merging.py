"""Count symbols and pairs of neighbours during merges: what BPE and WordPiece share."""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

Symbol = TypeVar("Symbol", int, str)
Pair = tuple[Symbol, Symbol]


class Neighbours(Generic[Symbol]):
    """Occurrences of each symbol and each pair of neighbours in counted words, updated by merges.

    The words stand in one list of places. A place keeps the symbol that begins there and where the symbols before and
    after it begin, so a merge costs time per occurrence of the pair, however long the words are.

    Args:
        words: Symbols of each word, and its occurrences.
    """

    def __init__(self, words: Iterable[tuple[list[Symbol], int]]):
        self.symbols: dict[Symbol, int] = defaultdict(int)
        self.pairs: dict[Pair, int] = defaultdict(int)
        self._text: list[Symbol | None] = []  # None where no symbol begins: between words and inside merged ones
        self._before, self._after = array("i"), array("i")  # place of the neighbour; that of a None at the ends
        self._words = array("i")  # number of the word at each place
        self._times: list[int] = []
        self._places: dict[Pair, array] = defaultdict(lambda: array("i"))  # where the pair begins, now or earlier
        for number, (word, times) in enumerate(words):
            first = len(self._text)
            self._times.append(times)
            self._text += word
            self._text.append(None)
            for place, symbol in enumerate(word, start=first):
                self.symbols[symbol] += times
                if place > first:
                    pair = self._text[place - 1], symbol
                    self.pairs[pair] += times
                    self._places[pair].append(place - 1)
            places = range(first, len(self._text))
            self._before.extend(place - 1 for place in places)  # the first place has the None at the end of the list
            self._after.extend(place + 1 for place in places)
            self._words.extend([number] * len(places))

    def merge(self, pair: Pair, merged: Symbol) -> dict[Pair, int]:
        """Replace the pair by `merged` everywhere, from the left; return the changes of the counts of pairs."""
        left, right = pair
        text, before, after = self._text, self._before, self._after
        changes: dict[Pair, int] = defaultdict(int)
        made = 0
        for place in sorted(self._places.pop(pair)):
            if text[place] != left or text[next_place := after[place]] != right:
                continue  # other merges have consumed it
            times = self._times[self._words[place]]
            previous, following = before[place], after[next_place]
            text[place], text[next_place] = merged, None
            after[place], before[following] = following, place
            made += times
            changes[pair] -= times
            if (symbol := text[previous]) is not None:
                changes[symbol, left] -= times
                changes[symbol, merged] += times
                self._places[symbol, merged].append(previous)
            if (symbol := text[following]) is not None:
                changes[right, symbol] -= times
                changes[merged, symbol] += times
                self._places[merged, symbol].append(place)
        self.symbols[left] -= made
        self.symbols[right] -= made
        self.symbols[merged] += made
        changes = {neighbours: change for neighbours, change in changes.items() if change}
        for neighbours, change in changes.items():
            self.pairs[neighbours] += change
        return changes

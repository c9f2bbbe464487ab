"""Inverted index of the n-grams of items with several texts each, such as the items of a benchmark."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np

from lm.bounds import Count
from lm.filter.text.ngram_index import NGramIndex
from lm.filter.text.normalized import CHARACTERS_PER_WORD, is_unspaced, normalized_words


class ItemIndex:
    """Find which items share an n-gram with a text, ignoring case and punctuation.

    A text of an item with fewer words than an n-gram is searched as a whole if it has `min_words`. In scripts without
    spaces two characters count as one word. Memory: about 25 bytes per word of the items, 1 to 5 kB per item, and 100
    bytes per distinct word; six times as much while it is made.

    Args:
        items: The texts of each item.
        ngram: Words in a row that a text must share with an item; GPT-3 used 13 (Brown et al. 2020, appendix C).
        min_words: Fewest words of a text shorter than an n-gram that is searched as a whole.
        max_items: An n-gram of more items than this is the style of the benchmark, and is not searched.

    Attributes:
        searched: Numbers of the items that have a text to search, from 0, ascending.
        common: Number of n-grams that are not searched.
    """

    def __init__(
        self,
        items: Iterable[Sequence[str]],
        *,
        ngram: Count = 13,
        min_words: Count = 8,
        max_items: Count = 10,
    ):
        self.ngram, self.min_words = ngram, min_words
        self.searched: list[int] = []
        self._ids: dict[bytes, int] = {}
        texts: list[np.ndarray] = []
        owners: list[int] = []
        lengths: list[int] = []
        for item, those in enumerate(items):
            searched = list(self._searched([normalized_words(text) for text in those]))
            for words, length in searched:
                numbers = [self._ids.setdefault(word, len(self._ids) + 1) for word in words]
                texts.append(np.array(numbers, dtype=np.int32))
                owners.append(item)
                lengths.append(length)
            if searched:
                self.searched.append(item)
        self._indices: list[NGramIndex] = []
        if texts:
            self._make(texts, np.array(owners), np.array(lengths), max_items)
        self.common = sum(index.common for index in self._indices)

    @staticmethod
    def words(text: str) -> list[bytes]:
        """Return the words of a text, as they are compared."""
        return normalized_words(text)

    def find(self, words: Sequence[bytes]) -> list[tuple[int, int, int]]:
        """Return the number of the item, the first word, and the word after the last, of each n-gram that is shared.

        Args:
            words: The words of a text.
        """
        ids = np.fromiter(map(self._ids.get, words, repeat(0)), dtype=np.int32, count=len(words))
        hits = []
        for index in self._indices:
            here, there = index.find(ids)
            items = self._owners[np.searchsorted(self._begins, there, side="right") - 1]
            hits += zip(items.tolist(), here.tolist(), (here + index.length).tolist(), strict=True)
        return hits

    def _make(self, texts: list[np.ndarray], owners: np.ndarray, lengths: np.ndarray, max_items: int) -> None:
        """Index the n-grams by length."""
        ids, self._owners = np.concatenate(texts), owners
        sizes = np.array([len(text) for text in texts])
        self._begins = np.cumsum(sizes) - sizes
        for length in sorted({*lengths.tolist()}):
            chosen = np.flatnonzero(lengths == length)
            counts = sizes[chosen] - length + 1
            places = np.arange(counts.sum()) + np.repeat(self._begins[chosen] - np.cumsum(counts) + counts, counts)
            items = np.repeat(self._owners[chosen], counts)
            self._indices.append(NGramIndex(ids, places, items, length=length, max_items=max_items))

    def _searched(self, texts: list[list[bytes]]) -> Iterator[tuple[list[bytes], int]]:
        """Yield the texts of an item that are searched, each with the length of its n-grams."""
        for words in texts:
            width = CHARACTERS_PER_WORD if 2 * sum(map(is_unspaced, words)) > len(words) else 1
            if len(words) >= self.min_words * width:
                yield words, min(len(words), self.ngram * width)

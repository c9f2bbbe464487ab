"""Drop or cut documents that share n-grams with evaluation files, so that benchmarks stay unseen.

As GPT-3 was decontaminated (Brown et al. 2020, appendix C). That finds copies, whole or in part, whatever their case,
punctuation and line breaks, but no item that was reworded or translated.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from lm.bounds import Count, Natural
from lm.corpus import Document, Dropped
from lm.filter.evaluation_items import read_items
from lm.filter.text.item_index import ItemIndex
from lm.filter.text.normalized import word_spans
from lm.filtering import Filter
from lm.sources.file_patterns import find_files

SHOWN = 8  # words in the detail of a drop


class Match(NamedTuple):
    """An evaluation item, and the longest run of words that a text shares with it, as written in the text."""

    file: str
    line: int
    run: str


class Decontaminate(Filter):
    """Drop or cut documents that share an n-gram with an evaluation item.

    A text of an item with fewer words than an n-gram is searched as a whole if it has `min_words`; items without such a
    text cannot be searched and are counted as `too_short`. In scripts without spaces two characters count as one word.
    N-grams of more than `max_items` items are counted as `common`. Memory per process: about 25 bytes per word of the
    items, 1 to 5 kB per item, and 100 bytes per distinct word; six times as much while the files are read.

    Args:
        paths: Evaluation files: JSON Lines, JSON, CSV, TSV, or text with an item per line; a file, pattern, or several.
        fields: Fields of an item that are searched, such as [question]; null for all its texts. Short answers may match
            by chance.
        action: drop the document, or cut the shared words and their margin out of it.
        ngram: Words in a row, ignoring case and punctuation, that count as contamination; GPT-3 used 13.
        min_words: Fewest words of an item shorter than an n-gram that is searched as a whole.
        max_items: An n-gram of more items than this is the style of the benchmark, and is not searched.
        margin: Characters cut before and after the shared words, extended to whole words.
        min_characters: Shortest piece that is kept after a cut; pieces are joined by a blank line.
        max_cuts: A document with more cuts is dropped.
    """

    reports = True

    def __init__(
        self,
        *,
        paths: str | list[str],
        fields: list[str] | None = None,
        action: Literal["drop", "cut"] = "drop",
        ngram: Count = 13,
        min_words: Count = 8,
        max_items: Count = 10,
        margin: Natural = 200,
        min_characters: Natural = 200,
        max_cuts: Count = 10,
    ):
        if action not in ("drop", "cut"):
            raise ValueError(f"filter.action {action!r} is unknown: give drop, or cut to keep the rest")
        if not 1 <= min_words <= ngram:
            raise ValueError(f"filter.min_words {min_words} is out of range: give 1 to {ngram} (filter.ngram)")
        if fields is not None and (isinstance(fields, str) or not fields):
            raise ValueError(f"filter.fields {fields!r} must be a list such as [question], or null for all")
        for key, value, minimum in (
            ("max_items", max_items, 1),
            ("margin", margin, 0),
            ("min_characters", min_characters, 0),
            ("max_cuts", max_cuts, 1),
        ):
            if value < minimum:
                raise ValueError(f"filter.{key} {value} is out of range: give {minimum} or more")
        self.paths, self.fields, self.action = (
            [str(file) for file in find_files(paths, key="filter.paths")],
            fields,
            action,
        )
        self.ngram, self.min_words, self.max_items = ngram, min_words, max_items
        self.margin, self.min_characters, self.max_cuts = margin, min_characters, max_cuts
        self._read()

    def __call__(self, document: Document) -> Document | Dropped:
        hits = self._hits(document.text)
        if not hits:
            return document
        if self.action == "cut":
            pieces = self._pieces(document.text, hits)
            if pieces:
                return replace(document, text="\n\n".join(pieces))
        file, line, run = max(self.matches(document.text), key=lambda match: len(match.run))
        return Dropped("contaminated", f"{file}:{line} {' '.join(run.split()[:SHOWN])!r}")

    def report(self, document: Document) -> Iterator[dict[str, str | int]]:
        yield from (match._asdict() for match in self.matches(document.text))

    def matches(self, text: str) -> list[Match]:
        """Return a match for every item that the text shares an n-gram with, in the order of the files."""
        longest: dict[int, tuple[int, int]] = {}
        item, begin, end = -1, 0, 0
        for next_item, next_begin, next_end in sorted(self._hits(text)):
            if next_item != item or next_begin > end:
                item, begin, end = next_item, next_begin, next_end
            end = max(end, next_end)
            longest[item] = max(longest.get(item, (0, 0)), (begin, end), key=lambda run: run[1] - run[0])
        if not longest:
            return []
        starts, ends = word_spans(text)
        return [Match(*self.items[item], text[starts[a] : ends[b - 1]]) for item, (a, b) in longest.items()]

    def _hits(self, text: str) -> list[tuple[int, int, int]]:
        """Return (item, first word, word after the last) of each n-gram found in the text."""
        return self._index.find(self._index.words(text))

    def _pieces(self, text: str, hits: list[tuple[int, int, int]]) -> list[str]:
        """Return the pieces that are left of the text; none if they are too short or the cuts too many."""
        starts, ends = word_spans(text)
        cuts: list[tuple[int, int]] = []
        for begin, end in sorted({(begin, end) for _, begin, end in hits}):
            low, high = starts[begin] - self.margin, ends[end - 1] + self.margin
            before, after = np.searchsorted(starts, low, side="right") - 1, np.searchsorted(ends, high)
            low = starts[before] if before >= 0 and ends[before] > low else max(0, low)
            high = ends[after] if after < len(ends) and starts[after] < high else min(len(text), high)
            if cuts and low <= cuts[-1][1]:
                cuts[-1] = (cuts[-1][0], max(cuts[-1][1], high))
            else:
                cuts.append((low, high))
        if len(cuts) > self.max_cuts:
            return []
        bounds = [0, *(place for cut in cuts for place in cut), len(text)]
        pieces = (text[low:high] for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        return [piece for piece in pieces if len(piece) >= self.min_characters and piece.strip()]

    def _read(self) -> None:
        """Index the n-grams of the items."""
        places: list[tuple[str, int]] = []
        filled: list[int] = []
        self._index = ItemIndex(
            self._texts(places, filled), ngram=self.ngram, min_words=self.min_words, max_items=self.max_items
        )
        searched = {*self._index.searched}
        self.too_short = len({*filled} - searched)
        if not searched:
            raise ValueError(
                f"filter.paths {', '.join(self.paths)} have no item of {self.min_words} words: give other files, or "
                "a lower filter.min_words"
            )
        self.items = {number: places[number] for number in self._index.searched}
        self.common = self._index.common

    def _texts(self, places: list[tuple[str, int]], filled: list[int]) -> Iterator[tuple[str, ...]]:
        """Yield the texts of each item; note its place, and its number if it has any text."""
        for file in map(Path, self.paths):
            for item in read_items(file, fields=self.fields):
                if any(map(str.strip, item.texts)):
                    filled.append(len(places))
                places.append((item.file, item.line))
                yield item.texts

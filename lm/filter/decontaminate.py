"""Documents that hold what the model will be asked, dropped or cut, so that what it is asked measures what it can do.

By runs of words in common, as GPT-3 was evaluated (Brown et al. 2020, appendix C). That finds copies, whole or in part,
whatever their case, marks and line ends; an item that was reworded or translated it does not find.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from typing import Literal, NamedTuple

import numpy as np

from lm.bounds import Count, Natural
from lm.corpus import Document, Dropped
from lm.filter.evaluation_items import evaluation_files, read_items
from lm.filter.text.occurrences import LETTERS_A_WORD
from lm.filter.text.plain_words import is_unspaced, plain_words, word_spans
from lm.filter.text.runs import Runs
from lm.filtering import Reporting

SHOWN = 8  # words of a run


class Found(NamedTuple):
    """An item of an evaluation file, and the longest run of words that a text shares with it, as the text has it."""

    file: str
    line: int
    run: str


class Decontaminate(Reporting):
    """Acts on documents that share `words` words in a row with a text of an item in the files that `paths` names.

    Each text of an item counts, or each of `fields`. One with fewer words is looked for as a whole if it has at least
    `least_words`, and an item without any that has cannot be looked for: it is one of `too_short`. Answers of few
    words may be names of books; where that matters, choose the fields of questions. In scripts that do not space their
    words, two characters are counted for a word. Runs that are in more than `most_items` items are how the benchmark
    talks rather than what it asks: they are not looked for, and there are `common` of them.

    `action` cut takes the run and `margin` characters around it, to whole words. Pieces of `least_characters` are kept
    as they are, and make one document with a blank line between them: what they were cut from was one. A document
    without such a piece is dropped, and so is one cut more than `most_cuts` times, of which hardly a page is whole.

    Takes about 25 bytes of memory for each word of the items, 1 to 5 kB an item, and 100 for each different word, in
    every process of a funnel; six times as much while the files are read.
    """

    def __init__(
        self,
        *,
        paths: str | list[str],
        fields: list[str] | None = None,
        action: Literal["drop", "cut"] = "drop",
        words: Count = 13,
        least_words: Count = 8,
        most_items: Count = 10,
        margin: Natural = 200,
        least_characters: Natural = 200,
        most_cuts: Count = 10,
    ):
        if action not in ("drop", "cut"):
            raise ValueError(f"filter.action {action!r} is no action: give drop, or cut to keep the rest")
        if not 1 <= least_words <= words:
            raise ValueError(f"filter.least_words {least_words} is out of range: give 1 to {words} (filter.words)")
        if fields is not None and (isinstance(fields, str) or not fields):
            raise ValueError(f"filter.fields {fields!r} is no list of names: give one, as [question], or null for all")
        for key, value, least in (
            ("most_items", most_items, 1),
            ("margin", margin, 0),
            ("least_characters", least_characters, 0),
            ("most_cuts", most_cuts, 1),
        ):
            if value < least:
                raise ValueError(f"filter.{key} {value} is out of range: give {least} or more")
        self.paths, self.fields, self.action = [str(file) for file in evaluation_files(paths)], fields, action
        self.words, self.least_words, self.most_items = words, least_words, most_items
        self.margin, self.least_characters, self.most_cuts = margin, least_characters, most_cuts
        self._read()

    def __call__(self, document: Document) -> Document | Dropped:
        hits = self._hits(document.text)
        if not hits:
            return document
        if self.action == "cut":
            pieces = self._pieces(document.text, hits)
            if pieces:
                return replace(document, text="\n\n".join(pieces))
        file, line, run = max(self.found(document.text), key=lambda found: len(found.run))
        return Dropped("contaminated", f"{file}:{line} {' '.join(run.split()[:SHOWN])!r}")

    def report(self, document: Document) -> Iterator[dict[str, str | int]]:
        yield from (found._asdict() for found in self.found(document.text))

    def found(self, text: str) -> list[Found]:
        """Every item that the text shares a run with, in the order of the files."""
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
        return [Found(*self.items[item], text[starts[a] : ends[b - 1]]) for item, (a, b) in longest.items()]

    def _hits(self, text: str) -> list[tuple[int, int, int]]:
        """(item, first word, word after the last) of each run in the text."""
        words = plain_words(text)
        ids = np.fromiter(map(self._ids.get, words, repeat(0)), dtype=np.int32, count=len(words))
        hits = []
        for runs in self._runs:
            here, there = runs.find(ids)
            items = self._owners[np.searchsorted(self._begins, there, side="right") - 1]
            hits += zip(items.tolist(), here.tolist(), (here + runs.length).tolist(), strict=True)
        return hits

    def _pieces(self, text: str, hits: list[tuple[int, int, int]]) -> list[str]:
        """What is left of the text, none if that is too little or was cut too often."""
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
        if len(cuts) > self.most_cuts:
            return []
        bounds = [0, *(place for cut in cuts for place in cut), len(text)]
        pieces = (text[low:high] for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        return [piece for piece in pieces if len(piece) >= self.least_characters and piece.strip()]

    def _read(self) -> None:
        """Number the words of the items, and index the runs to look for by their lengths."""
        self.items: list[tuple[str, int]] = []
        self.too_short = 0
        self._ids: dict[bytes, int] = {}
        texts: list[np.ndarray] = []
        owners: list[int] = []
        lengths: list[int] = []
        for file in evaluation_files(self.paths):
            for item in read_items(file, fields=self.fields):
                wanted = list(self._wanted([plain_words(text) for text in item.texts]))
                self.too_short += not wanted and any(map(str.strip, item.texts))
                for words, length in wanted:
                    numbers = [self._ids.setdefault(word, len(self._ids) + 1) for word in words]
                    texts.append(np.array(numbers, dtype=np.int32))
                    owners.append(len(self.items))
                    lengths.append(length)
                if wanted:
                    self.items.append((item.file, item.line))
        if not texts:
            raise ValueError(
                f"filter.paths {', '.join(self.paths)} have no item of {self.least_words} words: give other files, or "
                "a lower filter.least_words"
            )
        ids, self._owners = np.concatenate(texts), np.array(owners)
        sizes = np.array([len(text) for text in texts])
        self._begins = np.cumsum(sizes) - sizes
        self._runs = []
        for length in sorted(set(lengths)):
            chosen = np.flatnonzero(np.array(lengths) == length)
            counts = sizes[chosen] - length + 1
            places = np.arange(counts.sum()) + np.repeat(self._begins[chosen] - np.cumsum(counts) + counts, counts)
            items = np.repeat(self._owners[chosen], counts)
            self._runs.append(Runs(ids, places, items, length=length, most_items=self.most_items))
        self.common = sum(runs.common for runs in self._runs)

    def _wanted(self, texts: list[list[bytes]]) -> Iterator[tuple[list[bytes], int]]:
        """The texts of an item that are looked for, each with the length of its runs."""
        for words in texts:
            width = LETTERS_A_WORD if 2 * sum(map(is_unspaced, words)) > len(words) else 1
            if len(words) >= self.least_words * width:
                yield words, min(len(words), self.words * width)

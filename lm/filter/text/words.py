"""Words as the published rules count them, marks apart: some sixty megabytes of text a second on a core. Their own code
runs spaCy, at one; over English text the two counts differ by less than 1 % in most documents."""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, count, islice, pairwise

import numpy as np

from lm.filter.text.hashes import AFTER, HashTable, hashed
from lm.filter.text.recent import Recent

WORD = re.compile(
    r"""
    \w+                                      # letters and digits, and on from there
    (?:
        (?: [,:/](?=\d)                      #   1,000  10:30  1/2
          | @                                #   me@here
          | (?<=[A-Za-z])-(?=\d)             #   COVID-19
          | (?<=\d)–(?=\d)                   #   1939–1945
          | \.(?!(?<=[a-z]\.)[A-Z])          #   3.14  U.S.A  here.com, but two words in: end.Begin
          | ['’](?!(?:[smdt]|ll|re|ve)\b)    #   o'clock
        )\w+
      | ://\S+                               #   an address
    )*
    (?:\.(?:(?<=\b[A-Za-z]\.)               #   J.  e.g.
          | (?<=\b[MDJS][rst]\.)             #   Dr.
          | (?<=\bMrs\.)
       )
    )?
  | ['’](?:[smdt]|ll|re|ve)\b                # of it's, don't, we'll
  | \.\.+ | --+                              # runs of one mark that are one mark
  | @[-.,@\w]*[@\w]                          # @name
  | [^\w\s]                                  # each other mark
    """,
    re.VERBOSE,
)
MARKS = frozenset(",.;:!?")  # each a word of its own behind letters, but the full stop of initials and titles,
LONGEST_TITLE = 3  # of which Mrs. has the most letters
MOST = 4_000_000  # characters of pieces of text that are remembered, up to 100 MB
BLANK = np.isin(np.arange(256), [9, 10, 11, 12, 13, 28, 29, 30, 31, 32])  # of ASCII, as Python has it
BLOCK = 1 << 16  # pieces looked at together
SAID = re.compile(r"[^\W_]")  # a letter or digit, without which a word is a mark
LETTER = re.compile(r"[^\W\d_]")


class Words:
    """The words and marks of a text in their order, as numbers: equal where the words are."""

    def __init__(self, ids: np.ndarray, known: "_Known"):
        self.ids, self.known = ids, known

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        every = list(self.known.numbers)
        return map(every.__getitem__, self.ids.tolist())

    def __contains__(self, word: str) -> bool:
        number = self.known.numbers.get(word)
        return number is not None and bool((self.ids == number).any())

    @property
    def last_places(self) -> np.ndarray:
        """Where each word stands for the last time: equal where the words are, and less than their number."""
        table = self.known.places
        if len(table) < len(self.known.numbers):
            table = self.known.places = np.zeros(2 * len(self.known.numbers), dtype=np.int32)
        table[self.ids] = np.arange(len(self.ids), dtype=np.int32)
        return table[self.ids]

    @property
    def lengths(self) -> np.ndarray:
        """Characters of each."""
        return np.frombuffer(self.known.lengths, dtype=np.int32)[self.ids]

    @property
    def said(self) -> np.ndarray:
        """Whether each has a letter or digit."""
        return np.frombuffer(self.known.said, dtype=bool)[self.ids]

    @property
    def lettered(self) -> np.ndarray:
        """Whether each has a letter."""
        return np.frombuffer(self.known.lettered, dtype=bool)[self.ids]


class _Known:
    """The words of what stands between two blanks, found once for all texts: most of it comes again and again. Of each
    word what is asked about it."""

    def __init__(self):
        self.pieces = HashTable()
        self.starts, self.counts, self.ids = array("i", [0]), array("i", [0]), array("i")  # words of piece after piece
        self.numbers = defaultdict[str, int](count().__next__)
        self.lengths, self.said, self.lettered = array("i"), bytearray(), bytearray()
        self.places = np.zeros(0, dtype=np.int32)  # by word, where one text at a time has it
        self.characters = 0

    def words(self, data: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The words of pieces that begin at `starts`, one after another, and how many each piece has."""
        hashes = hashed(data, starts, lengths)
        pieces = self.pieces.find(hashes)
        if len(new := np.flatnonzero(pieces == 0)):
            different, first, which = np.unique(hashes[new], return_index=True, return_inverse=True)
            pieces[new] = self.pieces.size + which
            self.pieces.add(different)
            begin, end = starts[new[first]], (starts + lengths)[new[first]]
            between = zip(begin.tolist(), end.tolist(), strict=True)
            self._add([data[begin:end].decode("utf-8", "surrogatepass") for begin, end in between])
        counts = np.frombuffer(self.counts, dtype=np.int32)[pieces]
        ends = np.cumsum(counts, dtype=np.int32)
        shifts = np.frombuffer(self.starts, dtype=np.int32)[pieces] - ends + counts
        places = np.repeat(shifts, counts) + np.arange(ends[-1], dtype=np.int32)
        return np.frombuffer(self.ids, dtype=np.int32)[places], counts

    def _add(self, pieces: list[str]) -> None:
        found, known = [*map(_found, pieces)], len(self.numbers)
        self.characters += sum(map(len, pieces))
        self.counts.extend(map(len, found))
        self.starts.extend(accumulate(map(len, found[:-1]), initial=len(self.ids)))
        self.ids.extend(map(self.numbers.__getitem__, chain.from_iterable(found)))
        new = [*islice(reversed(self.numbers), len(self.numbers) - known)][::-1]
        self.lengths.extend(map(len, new))
        self.said.extend([word.isalpha() or SAID.search(word) is not None for word in new])
        self.lettered.extend([word.isalpha() or LETTER.search(word) is not None for word in new])


_known = _Known()


def _found(between: str) -> list[str]:
    """The words and marks of what stands between two blanks; most of it is one word, or one and a mark."""
    if between.isalpha():
        return [between]
    word, mark = between[:-1], between[-1]
    if mark in MARKS and word.isalpha() and (mark != "." or len(word) > LONGEST_TITLE):
        return [word, mark]
    return WORD.findall(between)


def words_of(texts: Sequence[str]) -> list[Words]:
    """All words and marks of each text."""
    global _known
    if _known.characters > MOST:  # never within a text, of which each word has one number
        _known = _Known()
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    data = b" ".join([b"", *encoded, AFTER])
    blank = BLANK[np.frombuffer(data, dtype=np.uint8)]
    edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    every, counts = [np.zeros(0, dtype=np.int32)], [np.zeros(1, dtype=np.int32)]
    for first in range(0, len(starts), BLOCK):
        ids, each = _known.words(data, starts[first : first + BLOCK], lengths[first : first + BLOCK])
        every.append(ids)
        counts.append(each)
    ids, upto = np.concatenate(every), np.cumsum(np.concatenate(counts))
    ends = upto[np.searchsorted(starts, np.cumsum([1 + len(text) for text in encoded]))]
    return [Words(ids[begin:end], _known) for begin, end in pairwise([0, *ends.tolist()])]


@Recent
def words(text: str) -> Words:
    """All words and marks."""
    return words_of([text])[0]


def look_ahead(texts: Sequence[str]) -> None:
    """Find those of many texts together, which takes a third of the time."""
    new = [text for text in texts if text not in words]
    for text, found in zip(new, words_of(new), strict=True):
        words.keep(text, found)

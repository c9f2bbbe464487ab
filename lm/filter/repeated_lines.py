"""Lines or paragraphs that many documents share, as menus of a site, licences and signatures are.

The documents are read once more, before the first is judged: what a line is worth depends on the others, and no step of
a funnel could tell without knowing them. The price is that reading; in return each document is judged by itself, so the
result is the same on any number of processes, and after an interruption.
"""

from array import array
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import numpy as np

from lm.bounds import Count
from lm.corpus import Document, Dropped, Source

BETWEEN = {"line": "\n", "paragraph": "\n\n"}
BLOCK = 1_000_000  # lines, after which those that are known often enough are forgotten


class RepeatedLines:
    """Takes lines out of documents that stand in more than `most` documents of `source`; the first `most` keep them, so
    that of documents with many copies one remains for `duplicates` to keep. With `unit` paragraph the same for what
    stands between blank lines.

    Lines with fewer than `least_characters` stay, case and white space make no difference. `source` is what the
    documents come from, before any filter: a line that an earlier filter has changed is another line. Wrong for code,
    where the same line twice is no fault.

    Learning takes about 90 bytes of memory for each different line; a copy for another process has only the repeated.
    """

    def __init__(
        self,
        *,
        source: Source,
        unit: Literal["line", "paragraph"] = "line",
        most: Count = 5,
        least_characters: Count = 20,
    ):
        if unit not in BETWEEN:
            raise ValueError(f"filter.unit {unit!r} is no unit: give {' or '.join(BETWEEN)}")
        for key, value in (("most", most), ("least_characters", least_characters)):
            if value < 1:
                raise ValueError(f"filter.{key} {value} is out of range: give 1 or more")
        self.source, self.unit, self.most, self.least_characters = source, unit, most, least_characters

    def __call__(self, document: Document) -> Document | Dropped:
        repeated, keeping = self._learned
        lines = document.text.split(BETWEEN[self.unit])
        owner = _owner(document)
        gone = {place for place, key in self._keys(lines) if key in repeated and (key ^ owner) not in keeping}
        if not gone:
            return document
        text = BETWEEN[self.unit].join(line for place, line in enumerate(lines) if place not in gone)
        if not text.strip():
            return Dropped(
                f"repeated {self.unit}s", f"all of its {len(gone)} {self.unit}s, as {lines[min(gone)].strip()[:80]!r}"
            )
        return replace(document, text=text)

    def __getstate__(self) -> dict:
        """Learn before it is sent, and not in each process anew."""
        return {**self.__dict__, "_learned": self._learned}

    @property
    def repeated(self) -> int:
        """How many different lines stand in too many documents."""
        return len(self._learned[0])

    @cached_property
    def _learned(self) -> tuple[frozenset[int], frozenset[int]]:
        """Keys of the lines in too many documents, and what tells the documents that keep them."""
        known = np.zeros((0, 2), dtype=np.uint64)
        block = array("Q")
        for document in self.source:
            owner = _owner(document)
            for key in {key: None for _, key in self._keys(document.text.split(BETWEEN[self.unit]))}:
                block.extend((key, owner))
            if len(block) >= 2 * max(BLOCK, len(known)):
                known, block = self._first(known, block), array("Q")
        lines, owners = self._first(known, block).T
        starts, counts = _groups(lines)
        starts = starts[counts > self.most]
        places = (starts[:, None] + np.arange(self.most)).ravel()
        return frozenset(lines[starts].tolist()), frozenset((lines[places] ^ owners[places]).tolist())

    def _first(self, known: np.ndarray, block: array) -> np.ndarray:
        """By line, the documents that had it first: one more than may keep it, which says that there are more."""
        pairs = np.concatenate([known, np.frombuffer(block, dtype=np.uint64).reshape(-1, 2)])
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        starts, counts = _groups(pairs[:, 0])
        return pairs[np.arange(len(pairs)) - np.repeat(starts, counts) <= self.most]

    def _keys(self, lines: list[str]) -> Iterator[tuple[int, int]]:
        """(place, key) of each line that is long enough."""
        for place, line in enumerate(lines):
            if len(line) >= self.least_characters:
                said = " ".join(line.casefold().split())
                if len(said) >= self.least_characters:
                    yield place, _hash(said)


def _groups(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of equal numbers begin, and how long they are."""
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate([np.zeros(min(1, len(ordered)), dtype=np.int64), edges])
    return starts, np.diff(starts, append=len(ordered))


def _owner(document: Document) -> int:
    return _hash(f"{document.source}\n{document.id}")


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())

"""Remove lines or paragraphs that many documents share, such as menus, licences and signatures.

The source is read once more before the first document is judged, to count its lines. In return documents are judged one
by one, so the result is the same with any number of processes and after an interruption.
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

SEPARATORS = {"line": "\n", "paragraph": "\n\n"}
BLOCK = 1_000_000  # lines between two compactions


class RepeatedLines:
    """Remove lines that occur in more than `max_documents` documents, except from the first of those documents.

    The first ones keep the line, so that one of many identical documents is left for `duplicates` to keep. Case and
    white space are ignored. Wrong for code, where repeated lines are normal. Counting takes about 90 bytes of memory
    per distinct line; the copy sent to another process holds only the repeated ones.

    Args:
        source: The corpus whose lines are counted: the same as the corpus, before any filter. A line that an earlier
            filter changes no longer matches.
        unit: line, or paragraph for text between blank lines.
        max_documents: Documents that keep a line: the first of those that have it.
        min_characters: Shorter lines stay, white space aside.
    """

    def __init__(
        self,
        *,
        source: Source,
        unit: Literal["line", "paragraph"] = "line",
        max_documents: Count = 5,
        min_characters: Count = 20,
    ):
        if unit not in SEPARATORS:
            raise ValueError(f"filter.unit {unit!r} is unknown: give {' or '.join(SEPARATORS)}")
        for key, value in (("max_documents", max_documents), ("min_characters", min_characters)):
            if value < 1:
                raise ValueError(f"filter.{key} {value} is out of range: give 1 or more")
        self.source, self.unit = source, unit
        self.max_documents, self.min_characters = max_documents, min_characters

    def __call__(self, document: Document) -> Document | Dropped:
        repeated, keepers = self._counted
        separator = SEPARATORS[self.unit]
        lines = document.text.split(separator)
        owner = _owner(document)
        removed = {place for place, key in self._keys(lines) if key in repeated and (key ^ owner) not in keepers}
        if not removed:
            return document
        text = separator.join(line for place, line in enumerate(lines) if place not in removed)
        if not text.strip():
            detail = f"all of its {len(removed)} {self.unit}s, as {lines[min(removed)].strip()[:80]!r}"
            return Dropped(f"repeated {self.unit}s", detail)
        return replace(document, text=text)

    def __getstate__(self) -> dict:
        """Count before the filter is sent to other processes, not in each of them."""
        return {**self.__dict__, "_counted": self._counted}

    @property
    def repeated(self) -> int:
        """Number of distinct lines that occur in too many documents."""
        return len(self._counted[0])

    @cached_property
    def _counted(self) -> tuple[frozenset[int], frozenset[int]]:
        """Keys of the repeated lines, and key ^ owner of the documents that keep them."""
        known = np.zeros((0, 2), dtype=np.uint64)
        block = array("Q")
        for document in self.source:
            owner = _owner(document)
            for key in {key: None for _, key in self._keys(document.text.split(SEPARATORS[self.unit]))}:
                block.extend((key, owner))
            if len(block) >= 2 * max(BLOCK, len(known)):
                known, block = self._first(known, block), array("Q")
        lines, owners = self._first(known, block).T
        starts, counts = _groups(lines)
        starts = starts[counts > self.max_documents]
        places = (starts[:, None] + np.arange(self.max_documents)).ravel()
        return frozenset(lines[starts].tolist()), frozenset((lines[places] ^ owners[places]).tolist())

    def _first(self, known: np.ndarray, block: array) -> np.ndarray:
        """Keep the first `max_documents` + 1 owners of each line: one more than may keep it shows that it repeats."""
        pairs = np.concatenate([known, np.frombuffer(block, dtype=np.uint64).reshape(-1, 2)])
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        starts, counts = _groups(pairs[:, 0])
        return pairs[np.arange(len(pairs)) - np.repeat(starts, counts) <= self.max_documents]

    def _keys(self, lines: list[str]) -> Iterator[tuple[int, int]]:
        """Yield (place, key) of each line that is long enough."""
        for place, line in enumerate(lines):
            if len(line) >= self.min_characters:
                normalized = " ".join(line.casefold().split())
                if len(normalized) >= self.min_characters:
                    yield place, _hash(normalized)


def _groups(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs of equal numbers begin, and their lengths."""
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate([np.zeros(min(1, len(ordered)), dtype=np.int64), edges])
    return starts, np.diff(starts, append=len(ordered))


def _owner(document: Document) -> int:
    return _hash(f"{document.source}\n{document.id}")


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())

"""Filters for tests, in a module that worker processes can import."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace

from lm.corpus import Document, Dropped, Source
from lm.filtering import Deduplicator


class Letters:
    """Drop documents with few letters; fail or die at a document."""

    def __init__(self, *, min_letters: int, fails_at: str = "", killed_at: str = ""):
        self.min_letters, self.fails_at, self.killed_at = min_letters, fails_at, killed_at

    def __call__(self, document: Document) -> Document | Dropped:
        if document.id == self.fails_at:
            return 1 // 0
        if document.id == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count = sum(map(str.isalpha, document.text))
        return document if count >= self.min_letters else Dropped("too few letters", f"{count} letters")


class Letter(Deduplicator):
    """Keep the longest of the documents with the same letter at a place."""

    reason = "the same letter"

    def __init__(self, *, place: int, earlier: Source | None = None):
        self.place, self.earlier = place, earlier

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        return [[document.text[self.place].encode().rjust(8)] for document in documents]

    def describe(self) -> str:
        return f"by {self.reason}"

    def priority(self, document: Document) -> float:
        return len(document.text)


class BothLetters(Deduplicator):
    """Keep the longest of the documents that share their first letter or their second."""

    reason = "a letter in common"

    def __init__(self, *, earlier: Source | None = None):
        self.earlier = earlier

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        return [[letter.encode().rjust(16) for letter in document.text[:2]] for document in documents]

    def describe(self) -> str:
        return f"by {self.reason}"

    def priority(self, document: Document) -> float:
        return len(document.text)


class Shout:
    """Make every text upper case."""

    def __init__(self, *, path: str | None = None):
        self.path = path

    def __call__(self, document: Document) -> Document:
        return replace(document, text=document.text.upper())

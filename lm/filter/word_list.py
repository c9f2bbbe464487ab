"""Your own lists of words that you do not want learned: plain, fast, and yours to answer for.

A list knows words, not what they are used for: it drops those who speak of abuse with those who abuse, and finds no
hate in polite words. Tagging first and reading a hundred of the documents tells what a list does to your corpus.
"""

from dataclasses import replace
from pathlib import Path

from lm.bounds import Count, NonNegative
from lm.corpus import Document, Dropped
from lm.filter.text.occurrences import Occurrences
from lm.sources.members import find_files, open_members

SHOWN = 5


class WordList:
    """Acts on documents with at least `least_different` words of the list, and `least_per_thousand` of a thousand.

    `path` names files with a word or phrase a line, in any languages. The document is dropped, or where there is a
    `tag` marked with it.
    """

    def __init__(
        self,
        *,
        path: str | list[str],
        least_different: Count = 1,
        least_per_thousand: NonNegative = 0.0,
        tag: str | None = None,
    ):
        if least_different < 1:
            raise ValueError(f"filter.least_different {least_different} would act on all documents: give 1 or more")
        if not 0 <= least_per_thousand <= 1000:
            raise ValueError(f"filter.least_per_thousand {least_per_thousand} is no part of 1000: give 0 to 1000")
        if tag == "":
            raise ValueError("filter.tag is empty: give a word to mark documents with, or null to drop them")
        self.least_different, self.least_per_thousand, self.tag = least_different, least_per_thousand, tag
        self.path = [str(file) for file in find_files(path, key="filter.path")]
        self.occurrences = Occurrences(_read(self.path))

    def __call__(self, document: Document) -> Document | Dropped:
        found, words = self.occurrences.find(document.text)
        if len(found) < self.least_different:
            return document
        share = 1000 * found.total() / max(1, words)
        if share < self.least_per_thousand:
            return document
        if self.tag is not None:
            return document if self.tag in document.tags else replace(document, tags=(*document.tags, self.tag))
        commonest = sorted(found, key=lambda word: (-found[word], word))[:SHOWN]
        return Dropped("listed words", f"{share:.1f} in 1000 words: {', '.join(commonest)}")


def _read(files: list[str]) -> list[str]:
    words = []
    for file in files:
        for _, stream in open_members(Path(file)):
            try:
                words += [line.strip() for line in stream.read().decode("utf-8-sig").splitlines()]
            except UnicodeDecodeError as error:
                raise ValueError(f"filter.path {file} is not UTF-8 ({error.reason}): save it as UTF-8") from None
    if not any(words):
        raise ValueError(f"filter.path {', '.join(files)} has no words: give files with a word or phrase a line")
    return words

"""Drop or tag documents that contain words of your own lists.

A list matches words, not their use: it drops reports of abuse together with abuse, and misses hate in polite words. Tag
first, and read a hundred of the tagged documents to see what a list does to your corpus.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lm.bounds import Count, NonNegative
from lm.corpus import Document, Dropped
from lm.corpus.tally import Tally
from lm.filter.text.normalized import BLANKS, CHARACTERS_PER_WORD, MARKS, OTHER_SIGNS, UNSPACED
from lm.sources.encoding import Encoding
from lm.sources.file_formats import MetadataError
from lm.sources.file_patterns import find_files
from lm.sources.members import open_members

SHOWN = 5  # words in the detail of a drop
WORD = re.compile(rf"[\w{MARKS}]+")


class WordList:
    """Drop documents with many listed words, or tag them.

    Args:
        path: File, pattern, or list of them, with a word or phrase per line, in any language, in UTF-8 or UTF-16.
        min_distinct: Fewest different words of the list that a document must contain to be dropped.
        min_per_thousand: Fewest occurrences per thousand words that it must contain as well.
        tag: Add this to `document.tags` and keep the document; null drops it.
    """

    def __init__(
        self,
        *,
        path: str | list[str],
        min_distinct: Count = 1,
        min_per_thousand: NonNegative = 0.0,
        tag: str | None = None,
    ):
        if min_distinct < 1:
            raise ValueError(f"filter.min_distinct {min_distinct} matches every document: give 1 or more")
        if not 0 <= min_per_thousand <= 1000:
            raise ValueError(f"filter.min_per_thousand {min_per_thousand} is out of range: give 0 to 1000")
        if tag == "":
            raise ValueError("filter.tag is empty: give a word to tag documents with, or null to drop them")
        self.min_distinct, self.min_per_thousand, self.tag = min_distinct, min_per_thousand, tag
        self.path = [str(file) for file in find_files(path, key="filter.path")]
        self.matcher = WordMatcher(read_words(self.path))

    def __call__(self, document: Document) -> Document | Dropped:
        counts, words = self.matcher.count(document.text)
        if len(counts) < self.min_distinct:
            return document
        share = 1000 * counts.total() / max(1, words)
        if share < self.min_per_thousand:
            return document
        if self.tag is not None:
            return document if self.tag in document.tags else replace(document, tags=(*document.tags, self.tag))
        commonest = sorted(counts, key=lambda word: (-counts[word], word))[:SHOWN]
        return Dropped("listed words", f"{share:.1f} in 1000 words: {', '.join(commonest)}")


def read_words(files: list[str], *, key: str = "filter.path") -> list[str]:
    """Return the lines of word lists; `key` begins error messages."""
    words = []
    for file in files:
        for name, packed in open_members(Path(file)):
            place = str(Path(file).parent / name)
            try:
                stream = Encoding("utf-8", key="filter.encoding").utf8(packed, name=place, tally=Tally())
                words += [line.strip() for line in stream.read().decode().splitlines()]
            except MetadataError:
                continue  # nothing of the user's
            except UnicodeDecodeError as error:
                raise ValueError(f"{key} {file} is not UTF-8 ({error.reason}): save it as UTF-8") from None
    if not any(words):
        raise ValueError(f"{key} {', '.join(files)} has no words: give files with a word or phrase per line")
    return words


class WordMatcher:
    """Count listed words in a text by looking up each word of the text, not each word of the list.

    Words match whole and in any case; phrases match with any blanks or hyphens between their words. In scripts without
    spaces a word matches wherever its characters occur, even across the boundary of two words.

    Args:
        words: Words and phrases to find.
    """

    def __init__(self, words: Iterable[str]):
        self.single: set[str] = set()
        self.phrases: dict[str, list[tuple[str, list[str], re.Pattern]]] = {}  # by their longest word
        self.signs: list[tuple[str, re.Pattern]] = []  # entries without letters or digits
        self.unspaced: dict[str, list[tuple[str, int]]] = {}  # by their first unspaced character, with its offset
        for word in sorted({_fold(word.strip()) for word in words} - {""}):
            self._add(word)
        self.heads = self.single | self.phrases.keys()
        self.unspaced_first = re.compile(f"[{re.escape(''.join(self.unspaced))}]" if self.unspaced else "(?!)")

    def _add(self, word: str) -> None:
        if match := UNSPACED.search(word):
            self.unspaced.setdefault(match[0], []).append((word, match.start()))
            return
        parts = _words(word)
        if parts == [word]:
            self.single.add(word)
            return
        pieces = (r"[\s\-]+" if piece.strip(" -") == "" else re.escape(piece) for piece in re.split(r"([ \-]+)", word))
        before = rf"(?<![\w{MARKS}])" if WORD.match(word) else ""
        after = rf"(?![\w{MARKS}])" if WORD.match(word[-1]) else ""
        pattern = re.compile(f"{before}{''.join(pieces)}{after}")
        if parts:
            self.phrases.setdefault(max(parts, key=len), []).append((word, parts, pattern))
        else:
            self.signs.append((word, pattern))

    def count(self, text: str) -> tuple[Counter[str], int]:
        """Return the occurrences of each listed word in the text, and the approximate number of words of the text."""
        text = _fold(text)
        words = _words(text)
        counts: Counter[str] = Counter()
        if heads := self.heads.intersection(words):
            if single := heads & self.single:
                counts.update(word for word in words if word in single)
            for phrase, pattern in self._candidates(words, heads & self.phrases.keys()):
                counts[phrase] = sum(1 for _ in pattern.finditer(text))
        for sign, pattern in self.signs:
            counts[sign] += sum(1 for _ in pattern.finditer(text))
        if self.unspaced and not text.isascii():
            for match in self.unspaced_first.finditer(text):
                for word, offset in self.unspaced[match[0]]:
                    counts[word] += text.startswith(word, match.start() - offset) if match.start() >= offset else 0
        counts = +counts
        total = len(words)
        if counts and not text.isascii():
            total += sum(1 for _ in UNSPACED.finditer(text)) // CHARACTERS_PER_WORD
        return counts, total

    def _candidates(self, words: list[str], heads: set[str]) -> Iterable[tuple[str, re.Pattern]]:
        """Return the phrases whose words occur in order, whatever is between them."""
        candidates = {}
        for place, word in enumerate(words) if heads else ():
            if word in heads:
                for phrase, parts, pattern in self.phrases[word]:
                    start = place - parts.index(word)
                    if words[start : start + len(parts)] == parts:
                        candidates[phrase] = pattern
        return candidates.items()


def _fold(text: str) -> str:
    """Normalize to NFC, fold case, and replace underscores by blanks."""
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return text.casefold().replace("_", " ")


def _words(folded: str) -> list[str]:
    """Split into runs of letters, digits and combining marks, three times as fast as a regular expression."""
    if not folded.isascii():
        folded = OTHER_SIGNS.sub(" ", folded)
    return folded.encode(errors="surrogatepass").translate(BLANKS).decode(errors="surrogatepass").split()

"""Score texts by the listed words that they contain, where no classifier is at hand."""

from collections.abc import Sequence
from pathlib import Path

from lm.bounds import Count
from lm.files import hash_json
from lm.filter.word_list import WordMatcher, read_words
from lm.sources.file_patterns import find_files


class WordScorer:
    """Scores texts from 0 to 1 by how many listed words they contain: a stand-in for a toxicity classifier.

    A list misses hate in polite words and hits reports of abuse. Occurrences are counted, not their share of the text:
    padding does not dilute them.

    Args:
        path: File, pattern, or list of them, with a word or phrase per line.
        full: Occurrences from which the score is 1; 1 makes any listed word certain.
    """

    def __init__(self, *, path: str | list[str], full: Count = 1) -> None:
        files = [str(file) for file in find_files(path, key="scorer.path")]
        self.path, self.full = files, full
        words = read_words(files, key="scorer.path")
        self.matcher = WordMatcher(words)
        names, version = ", ".join(Path(file).name for file in files), hash_json([sorted({*words}), full])[:8]
        self.name = f"word list {names} {version}"
        self.quality = [f"scorer {self.name}: {len({*words})} words; its quality is not measured"]

    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [min(1.0, self.matcher.count(text)[0].total() / self.full) for text in texts]

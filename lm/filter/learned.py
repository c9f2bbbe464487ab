"""Quality as you see it: what your good examples have in their words, and any documents have not.

Learned in seconds from files of yours, and as good as they are: a classifier taught on encyclopedias finds a novel
poor. It knows words and pairs of words, not whether what they say is so.
"""

from functools import cached_property
from heapq import nsmallest

import numpy as np

from lm.bounds import Count, Share
from lm.corpus import Document, Dropped, Source, rank
from lm.filter.logistic import Logistic, train_logistic
from lm.filter.text.hashed import hashed_words

HELD_OUT = 0.2  # of each side, by which accuracy and quantile are measured
FEWEST = 10  # documents held out of each side, below which they say nothing


class LearnedQuality:
    """Drop documents that score below `least`, or below a `quantile` of the random examples: 0.3 drops about three in
    ten of such documents.

    `good` are documents as you want them and `random` documents as they come: they may well hold good ones. Of each,
    `documents` are learned from, drawn by their content, so neither their order nor the machine matters. The first
    document makes it learn: ask for `accuracy` before you send it to other processes, or each learns for itself.
    """

    def __init__(
        self,
        *,
        good: Source,
        random: Source,
        least: Share | None = None,
        quantile: Share | None = None,
        documents: Count = 5000,
        characters: Count = 5000,
    ):
        if (least is None) == (quantile is None):
            raise ValueError("filter.least and filter.quantile: give one of them, for example quantile=0.3, and null")
        for key, value in (("least", least), ("quantile", quantile)):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"filter.{key} {value} is out of range: give at least 0 and at most 1")
        if documents < 1 or characters < 1:
            raise ValueError("filter.documents and filter.characters count what is learned from: give 5000 of each")
        self.good, self.random, self.least, self.quantile = good, random, least, quantile
        self.documents, self.characters = documents, characters

    def __call__(self, document: Document) -> Document | Dropped:
        score, threshold = self.score(document.text), self.threshold
        return document if score >= threshold else Dropped("low quality", f"{score:.3f} < {threshold:.3f}")

    def score(self, text: str) -> float:
        """How much more a text is like the good examples than like the random ones, from 0 to 1."""
        return self.classifier.score(self._words(text))

    @property
    def classifier(self) -> Logistic:
        """What was learned."""
        return self._learned[0]

    @property
    def accuracy(self) -> float:
        """Of examples that it has not learned from, the share told right; 0.5 is chance, whatever their numbers."""
        good, random = self._learned[1], self._learned[2]
        return float(((good >= 0.5).mean() + (random < 0.5).mean()) / 2)

    @cached_property
    def threshold(self) -> float:
        """The score from which on documents are kept."""
        return float(self.least if self.quantile is None else np.quantile(self._learned[2], self.quantile))

    @cached_property
    def _learned(self) -> tuple[Logistic, np.ndarray, np.ndarray]:
        """The classifier, and its scores of good and of random examples that were held out."""
        good, good_held_out = self._examples(self.good, "good")
        random, random_held_out = self._examples(self.random, "random")
        classifier = train_logistic(random, good)
        scores = [np.array([classifier.score(words) for words in held]) for held in (good_held_out, random_held_out)]
        return classifier, *scores

    def _examples(self, source: Source, key: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Words of the documents to learn from, and of those held out."""
        ranked = ((rank(each, salt="quality"), rank(each, salt="quality held"), each.text) for each in source)
        drawn = nsmallest(self.documents, ranked)
        found: tuple[list, list] = [], []
        for _, place, text in drawn:
            words = self._words(text)
            if len(words):
                found[place < HELD_OUT].append(words)
        if len(found[1]) < FEWEST or not found[0]:
            raise ValueError(
                f"filter.{key} has {len(drawn)} documents with words, too few to learn from: give a hundred or more"
                " (a file of many needs a separator: corpus=text separator=…)"
            )
        return found

    def _words(self, text: str) -> np.ndarray:
        return hashed_words(text[: self.characters])

"""Drop documents that a classifier, trained on your good examples, scores low.

Logistic regression on hashed words and word pairs, trained in seconds. It is as good as its examples: a classifier
trained on encyclopedias scores a novel low.
"""

from functools import cached_property
from heapq import nsmallest

import numpy as np

from lm.bounds import Count, Share
from lm.classifier.features import word_features
from lm.classifier.logistic import Classifier, train_classifier
from lm.corpus import Document, Dropped, Source, hash_fraction

HELD_OUT = 0.2  # share of the examples on each side, for accuracy and quantile
MIN_HELD_OUT = 10  # documents on each side


class LearnedQuality:
    """Drop documents that score below a threshold.

    Examples are drawn by a hash of their content, so neither their order nor the machine matters. The classifier is
    trained when it is first used: read `accuracy` before sending the filter to other processes, or each trains its own.

    Args:
        good: Corpus of documents as you want them.
        random: Corpus of documents as they come, good ones among them.
        min_score: Score, 0 to 1, below which a document is dropped; null to use `quantile`.
        quantile: Share of the random examples that score below the threshold: 0.3 drops about three in ten of such
            documents; null to use `min_score`.
        documents: Documents of each corpus to draw, a fifth of them held out.
        characters: Characters from the beginning of each document that count.
    """

    def __init__(
        self,
        *,
        good: Source,
        random: Source,
        min_score: Share | None = None,
        quantile: Share | None = None,
        documents: Count = 5000,
        characters: Count = 5000,
    ):
        if (min_score is None) == (quantile is None):
            raise ValueError("filter.min_score and filter.quantile: give one, such as quantile=0.3, and null the other")
        for key, value in (("min_score", min_score), ("quantile", quantile)):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"filter.{key} {value} is out of range: give 0 to 1")
        if documents < 1 or characters < 1:
            raise ValueError("filter.documents and filter.characters are counts: give 1 or more, such as 5000")
        self.good, self.random, self.min_score, self.quantile = good, random, min_score, quantile
        self.documents, self.characters = documents, characters

    def __call__(self, document: Document) -> Document | Dropped:
        score, threshold = self.score(document.text), self.threshold
        return document if score >= threshold else Dropped("low quality", f"{score:.3f} < {threshold:.3f}")

    def score(self, text: str) -> float:
        """Probability, 0 to 1, that the text is a good example rather than a random one."""
        return self.classifier.score(self._features(text))

    @property
    def classifier(self) -> Classifier:
        """The trained classifier."""
        return self._trained[0]

    @property
    def accuracy(self) -> float:
        """Balanced accuracy on held-out examples; 0.5 is chance."""
        good, random = self._trained[1], self._trained[2]
        return float(((good >= 0.5).mean() + (random < 0.5).mean()) / 2)

    @cached_property
    def threshold(self) -> float:
        """The lowest score of a document that is kept."""
        return float(self.min_score if self.quantile is None else np.quantile(self._trained[2], self.quantile))

    @cached_property
    def _trained(self) -> tuple[Classifier, np.ndarray, np.ndarray]:
        """The classifier, and its scores of the held-out good and random examples."""
        good, good_held_out = self._examples(self.good, "good")
        random, random_held_out = self._examples(self.random, "random")
        classifier = train_classifier(random, good)
        scores = [np.array([classifier.score(text) for text in held]) for held in (good_held_out, random_held_out)]
        return classifier, *scores

    def _examples(self, source: Source, key: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the features of the training examples, and of the held-out examples."""
        salts = ("quality", "quality held")
        ranked = ((*(hash_fraction(document, salt=salt) for salt in salts), document.text) for document in source)
        drawn = nsmallest(self.documents, ranked)
        examples: tuple[list, list] = [], []
        for _, position, text in drawn:
            features = self._features(text)
            if len(features):
                examples[position < HELD_OUT].append(features)
        if len(examples[1]) < MIN_HELD_OUT or not examples[0]:
            raise ValueError(
                f"filter.{key} has {len(drawn)} documents with words, too few to train on: give a hundred or more"
                " (a file of several documents needs a separator: corpus=text separator=…)"
            )
        return examples

    def _features(self, text: str) -> np.ndarray:
        return word_features(text[: self.characters])

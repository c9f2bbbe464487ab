"""Drop documents that a classifier, trained on your good examples, scores low.

Logistic regression on hashed words and word pairs, trained in seconds. It is as good as its examples: a classifier
trained on encyclopedias scores a novel low.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest

import numpy as np

from lm.bounds import Count, Share
from lm.corpus import Document, Dropped, Source, hash_fraction
from lm.filter.text.hashes import FEATURE_BITS, word_features

HELD_OUT = 0.2  # share of the examples on each side, for accuracy and quantile
MIN_HELD_OUT = 10  # documents on each side
EPOCHS, BATCH, STEP = 5, 128, 0.1  # steps are Adagrad's, so rare words learn as fast as frequent ones


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
    def classifier(self) -> "Classifier":
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
    def _trained(self) -> tuple["Classifier", np.ndarray, np.ndarray]:
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


@dataclass(frozen=True)
class Classifier:
    """Logistic regression: a weight per feature, and a bias."""

    weights: np.ndarray
    bias: float

    def score(self, features: np.ndarray) -> float:
        """Probability that a text with these features is of the second class."""
        value = float(self.weights[features].sum()) / max(1, len(features)) ** 0.5 + self.bias
        return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def train_classifier(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Classifier:
    """Train on the features of two classes of texts, balanced; the weights are the same bit for bit each time."""
    texts = [*first, *second]
    labels = np.repeat([0.0, 1.0], [len(first), len(second)])
    importance = np.where(labels == 1, 0.5 / len(second), 0.5 / len(first)) * len(texts)
    weights, squares = np.zeros(1 << FEATURE_BITS), np.full(1 << FEATURE_BITS, 1e-8)
    bias, bias_squares = 0.0, 1e-8
    random = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = random.permutation(len(texts))
        for batch in np.split(order, range(BATCH, len(order), BATCH)):
            features = [texts[index] for index in batch]
            lengths = np.array(list(map(len, features)))
            joined = np.concatenate(features)
            starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
            values = np.add.reduceat(weights[joined], starts) / np.sqrt(lengths) + bias
            errors = (1 / (1 + np.exp(-np.clip(values, -30, 30))) - labels[batch]) * importance[batch] / len(batch)
            gradient = np.bincount(joined, np.repeat(errors / np.sqrt(lengths), lengths), minlength=len(weights))
            squares += gradient**2
            weights -= STEP * gradient / np.sqrt(squares)
            bias_squares += errors.sum() ** 2
            bias -= STEP * errors.sum() / np.sqrt(bias_squares)
    return Classifier(weights.astype(np.float32), float(bias))

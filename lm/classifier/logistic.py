"""Logistic regression on hashed features of texts, trained in a few passes over them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lm.classifier.features import FEATURE_BITS

EPOCHS, BATCH, STEP = 5, 128, 0.1  # steps are Adagrad's, so rare words learn as fast as frequent ones


@dataclass(frozen=True)
class Classifier:
    """Logistic regression: a weight per feature, and a bias."""

    weights: np.ndarray
    bias: float

    def score(self, features: np.ndarray) -> float:
        """Probability that a text with these features is of the second class."""
        value = float(self.weights[features].sum()) / max(1, len(features)) ** 0.5 + self.bias
        return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def train_classifier(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    *,
    size: int = 1 << FEATURE_BITS,
    epochs: int = EPOCHS,
) -> Classifier:
    """Train on the features of two classes of texts, balanced; the weights are the same bit for bit each time.

    Args:
        first: Features of each text of the first class, at least one in each text.
        second: Those of the second class.
        size: Number of features that there can be.
        epochs: Passes over the texts.
    """
    texts = [*first, *second]
    labels = np.repeat([0.0, 1.0], [len(first), len(second)])
    importance = np.where(labels == 1, 0.5 / len(second), 0.5 / len(first)) * len(texts)
    weights, squares = np.zeros(size), np.full(size, 1e-8)
    bias, bias_squares = 0.0, 1e-8
    random = np.random.default_rng(0)
    for _ in range(epochs):
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

"""Which of two kinds a text is, from the words in it: logistic regression, the same weights bit for bit each time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lm.filter.text.hashed import BITS

EPOCHS, BATCH, STEP = 5, 128, 0.1  # steps are Adagrad's: rare words learn as fast as frequent ones


@dataclass(frozen=True)
class Logistic:
    """A weight for each hashed word, and one for all texts."""

    weights: np.ndarray
    bias: float

    def score(self, words: np.ndarray) -> float:
        """How likely a text of these words is of the second kind."""
        value = float(self.weights[words].sum()) / max(1, len(words)) ** 0.5 + self.bias
        return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def train_logistic(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Logistic:
    """Both kinds weigh the same, whatever their numbers. Every text has words."""
    texts = [*first, *second]
    labels = np.repeat([0.0, 1.0], [len(first), len(second)])
    importance = np.where(labels == 1, 0.5 / len(second), 0.5 / len(first)) * len(texts)
    weights, squares = np.zeros(1 << BITS), np.full(1 << BITS, 1e-8)
    bias, bias_squares = 0.0, 1e-8
    random = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = random.permutation(len(texts))
        for batch in np.split(order, range(BATCH, len(order), BATCH)):
            words = [texts[each] for each in batch]
            lengths = np.array([len(each) for each in words])
            joined = np.concatenate(words)
            starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
            values = np.add.reduceat(weights[joined], starts) / np.sqrt(lengths) + bias
            errors = (1 / (1 + np.exp(-np.clip(values, -30, 30))) - labels[batch]) * importance[batch] / len(batch)
            gradient = np.bincount(joined, np.repeat(errors / np.sqrt(lengths), lengths), minlength=len(weights))
            squares += gradient**2
            weights -= STEP * gradient / np.sqrt(squares)
            bias_squares += errors.sum() ** 2
            bias -= STEP * errors.sum() / np.sqrt(bias_squares)
    return Logistic(weights.astype(np.float32), float(bias))

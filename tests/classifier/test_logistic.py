"""Training of the classifier against the same arithmetic, text by text and feature by feature."""

from math import exp, sqrt

import numpy as np
import pytest

from lm.classifier.logistic import BATCH, STEP, Classifier, train_classifier


def naive(first, second, *, size: int, epochs: int):
    """Adagrad on the log-loss of balanced classes, without vectors."""
    texts = [*first, *second]
    labels = [0] * len(first) + [1] * len(second)
    weights, squares, bias, bias_squares = [0.0] * size, [1e-8] * size, 0.0, 1e-8
    random = np.random.default_rng(0)
    for _ in range(epochs):
        order = random.permutation(len(texts)).tolist()
        for start in range(0, len(order), BATCH):
            batch, gradient, moved = order[start : start + BATCH], {}, 0.0
            for number in batch:
                scale = 1 / sqrt(len(texts[number]))
                value = sum(weights[feature] for feature in texts[number]) * scale + bias
                share = len(texts) / 2 / (len(second) if labels[number] else len(first))
                error = (1 / (1 + exp(-value)) - labels[number]) * share / len(batch)
                moved += error
                for feature in texts[number]:
                    gradient[feature] = gradient.get(feature, 0.0) + error * scale
            for feature, value in gradient.items():
                squares[feature] += value**2
                weights[feature] -= STEP * value / sqrt(squares[feature])
            bias_squares += moved**2
            bias -= STEP * moved / sqrt(bias_squares)
    return weights, bias


def test_weights_equal_those_of_a_naive_loop():
    draw = np.random.default_rng(1)
    first = [draw.choice(40, 6, replace=False) for _ in range(90)]
    second = [draw.choice(np.arange(20, 60), 4, replace=False) for _ in range(50)]
    found = train_classifier(first, second, size=64, epochs=3)
    weights, bias = naive(first, second, size=64, epochs=3)
    assert found.weights == pytest.approx(weights, abs=1e-6)
    assert found.bias == pytest.approx(bias, abs=1e-9)
    again = train_classifier(first, second, size=64, epochs=3)
    assert (again.weights.tobytes(), again.bias) == (found.weights.tobytes(), found.bias)


def test_a_score_is_the_probability_of_the_mean_weight_by_the_root():
    classifier = Classifier(np.array([0.5, -1.0, 2.0, 0.0], dtype=np.float32), 0.25)
    assert classifier.score(np.array([0, 1, 2, 3])) == pytest.approx(1 / (1 + exp(-(1.5 / 2 + 0.25))))
    assert classifier.score(np.array([], dtype=int)) == pytest.approx(1 / (1 + exp(-0.25)))

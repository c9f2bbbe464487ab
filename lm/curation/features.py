"""Texts as vectors, by hashed tf-idf of words and word pairs, and their clusters; no model is needed.

Legend: N texts  D dim
"""

from collections.abc import Sequence

import numpy as np

from lm.classifier.features import FEATURE_BITS, word_features

DIM = 512
MIX = 0x9E3779B97F4A7C15


def tfidf_features(texts: Sequence[str], *, dim: int = DIM) -> np.ndarray:
    """Return unit vectors [N, D], fp32, whose dot product is the similarity of two texts; zeros for an empty text.

    A word that occurs n times counts 1 + log n, times its inverse document frequency. Words are hashed into `dim`
    places with a random sign, so that collisions cancel on average (Weinberger et al. 2009, arXiv:0902.2206).
    """
    words = [np.unique(word_features(text), return_counts=True) for text in texts]
    frequency = np.zeros(1 << FEATURE_BITS, dtype=np.int64)  # texts that contain a word
    for own, _ in words:
        frequency[own] += 1
    inverse = np.log((1 + len(texts)) / (1 + frequency)) + 1
    mixed = (np.arange(1 << FEATURE_BITS, dtype=np.uint64) + np.uint64(1)) * np.uint64(MIX)
    place = ((mixed >> np.uint64(32)) % np.uint64(dim)).astype(np.int64)
    sign = np.where(mixed >> np.uint64(63), 1.0, -1.0)
    vectors = np.zeros((len(texts), dim))
    for row, (own, times) in zip(vectors, words, strict=True):
        np.add.at(row, place[own], sign[own] * (1 + np.log(times)) * inverse[own])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def spherical_kmeans(vectors: np.ndarray, *, count: int, seed: int, iterations: int = 30) -> np.ndarray:
    """Cluster unit vectors [N, D] by direction, from k-means++ starts. Returns the cluster of each [N]."""
    draw = np.random.default_rng(seed)
    count = min(count, len(vectors))
    centres = vectors[draw.integers(len(vectors))][None]
    for _ in range(count - 1):
        distance = np.clip(1 - (vectors @ centres.T).max(axis=1), 0, None).astype(np.float64)
        chances = distance / distance.sum() if distance.sum() else None
        centres = np.concatenate([centres, vectors[draw.choice(len(vectors), p=chances)][None]])
    clusters = np.full(len(vectors), -1)
    for _ in range(iterations):
        nearest = (vectors @ centres.T).argmax(axis=1)
        if (nearest == clusters).all():
            break
        clusters = nearest
        for number in range(count):
            total = vectors[clusters == number].sum(axis=0)
            if length := np.linalg.norm(total):
                centres[number] = total / length
    return clusters

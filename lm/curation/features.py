"""Texts as vectors whose angle says how much of their words and pairs of words they share, without a model.

Legend: N texts  D dim
"""

from collections.abc import Sequence

import numpy as np

from lm.filter.text.hashed import BITS, hashed_words

DIM = 512
MIX = 0x9E3779B97F4A7C15


def features(texts: Sequence[str], *, dim: int = DIM) -> np.ndarray:
    """N D, fp32, each of length 1, or 0 where there are no words.

    A word counts 1 + log(times), and more the fewer of the texts have it; words are hashed into `dim` places with signs
    of their own, so that those that meet cancel as often as they add (Weinberger et al. 2009, arXiv:0902.2206).
    """
    words = [np.unique(hashed_words(text), return_counts=True) for text in texts]
    held_by = np.zeros(1 << BITS, dtype=np.int64)
    for found, _ in words:
        held_by[found] += 1
    rarity = np.log((1 + len(texts)) / (1 + held_by)) + 1
    mixed = (np.arange(1 << BITS, dtype=np.uint64) + np.uint64(1)) * np.uint64(MIX)
    place = ((mixed >> np.uint64(32)) % np.uint64(dim)).astype(np.int64)
    sign = np.where(mixed >> np.uint64(63), 1.0, -1.0)
    made = np.zeros((len(texts), dim))
    for row, (found, times) in zip(made, words, strict=True):
        np.add.at(row, place[found], sign[found] * (1 + np.log(times)) * rarity[found])
    lengths = np.linalg.norm(made, axis=1, keepdims=True)
    return (made / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def clusters(vectors: np.ndarray, *, count: int, seed: int, turns: int = 30) -> np.ndarray:
    """N: to which of `count` groups of like direction each vector belongs (spherical k-means, k-means++ starts)."""
    draw = np.random.default_rng(seed)
    count = min(count, len(vectors))
    centres = vectors[draw.integers(len(vectors))][None]
    for _ in range(count - 1):
        far = np.clip(1 - (vectors @ centres.T).max(axis=1), 0, None).astype(np.float64)
        chances = far / far.sum() if far.sum() else None
        centres = np.concatenate([centres, vectors[draw.choice(len(vectors), p=chances)][None]])
    belongs = np.full(len(vectors), -1)
    for _ in range(turns):
        nearest = (vectors @ centres.T).argmax(axis=1)
        if (nearest == belongs).all():
            break
        belongs = nearest
        for number in range(count):
            total = vectors[belongs == number].sum(axis=0)
            if length := np.linalg.norm(total):
                centres[number] = total / length
    return belongs

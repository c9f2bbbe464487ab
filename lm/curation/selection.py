"""Select a number of conversations: at random, by difficulty, or so that they represent the whole set.

Legend: N conversations  D dim
"""

from abc import ABC, abstractmethod
from math import ceil, log

import numpy as np

from lm.bounds import Natural, Share


class Selection(ABC):
    """Selects some conversations of a set."""

    @abstractmethod
    def select(self, vectors: np.ndarray, scores: np.ndarray | None, count: int) -> list[int]:
        """Select `count` of N conversations.

        Args:
            vectors: Unit vectors of the texts [N, D].
            scores: Scores [N], higher is better; None if there are none.
            count: Conversations to select.

        Returns:
            Indices, the most important first.
        """


class Random(Selection):
    """Select at random: the baseline for every other selection.

    Args:
        seed: Seed of the random numbers.
    """

    def __init__(self, *, seed: Natural = 0):
        self.seed = seed

    def select(self, vectors: np.ndarray, scores: np.ndarray | None, count: int) -> list[int]:
        return np.random.default_rng(self.seed).permutation(len(vectors))[:count].tolist()


class Best(Selection):
    """Select the highest scores, however similar the conversations are to each other."""

    def select(self, vectors: np.ndarray, scores: np.ndarray | None, count: int) -> list[int]:
        if scores is None:
            raise ValueError("selection=best needs scores: add them, as difficulty=ifd difficulty.model.path=…")
        return np.argsort(-scores, kind="stable")[:count].tolist()


class Diverse(Selection):
    """Select conversations that represent the whole set: each one has a similar one among them (facility location).

    Each step adds the conversation by which the similarity of all to their nearest selected one grows most, out of a
    random sample; the result is within 1 - 1/e - `error` of the optimum (Mirzasoleiman et al. 2015, arXiv:1409.7938).
    Time grows with N², memory with N: 50,000 take a minute.

    Args:
        pool: Share of highest scores to select from, above 0; the selection still represents the whole set. Without
            scores, all are in the pool.
        error: Loss of the approximation against looking at all conversations in each step, between 0 and 1. A smaller
            error takes a larger sample.
        seed: Seed of the random samples.

    Raises:
        ValueError: `pool` or `error` is out of range.
    """

    def __init__(self, *, pool: Share = 1.0, error: Share = 0.01, seed: Natural = 0):
        if not 0 < pool <= 1 or not 0 < error < 1:
            raise ValueError(f"selection.pool={pool} and selection.error={error}: give shares above 0; error below 1")
        self.pool, self.error, self.seed = pool, error, seed

    def select(self, vectors: np.ndarray, scores: np.ndarray | None, count: int) -> list[int]:
        draw = np.random.default_rng(self.seed)
        left = np.arange(len(vectors))
        if scores is not None:
            left = np.argsort(-scores, kind="stable")[: max(count, ceil(self.pool * len(vectors)))]
        nearest = np.zeros(len(vectors), dtype=np.float32)  # similarity of each to the nearest selected one
        selected: list[int] = []
        while len(selected) < count and len(left):
            size = min(len(left), ceil(len(left) / (count - len(selected)) * log(1 / self.error)))
            sample = np.sort(draw.choice(len(left), size=size, replace=False))
            similarity = vectors[left[sample]] @ vectors.T
            gains = np.maximum(similarity - nearest, 0).sum(axis=1, dtype=np.float64)
            best = int(gains.argmax())
            selected.append(int(left[sample[best]]))
            nearest = np.maximum(nearest, similarity[best])
            left = np.delete(left, sample[best])
        return selected


def quotas(sizes: dict[str, int], count: int, *, equal: bool) -> dict[str, int]:
    """Divide `count` among tasks.

    Args:
        sizes: Conversations of each task.
        count: Conversations to select.
        equal: Give each task the same number, as far as its size allows, rather than in proportion to its size.

    Returns:
        The number for each task; rounding favours the largest remainders, and among equals the first name.
    """
    count = min(count, sum(sizes.values()))
    if not equal:
        exact = {task: count * size / max(1, sum(sizes.values())) for task, size in sizes.items()}
        quota = {task: int(share) for task, share in exact.items()}
        order = sorted(sizes, key=lambda task: (quota[task] - exact[task], task))
        for task in order[: count - sum(quota.values())]:
            quota[task] += 1
        return quota
    quota = dict.fromkeys(sizes, 0)
    while count:
        not_full = sorted(task for task in sizes if quota[task] < sizes[task])
        share = max(1, count // len(not_full))
        for task in not_full:
            more = min(share, sizes[task] - quota[task], count)
            quota[task], count = quota[task] + more, count - more
    return quota

"""Which conversations to choose of those that are good enough.

Legend: N conversations  D dim
"""

from abc import ABC, abstractmethod
from math import ceil, log

import numpy as np

from lm.bounds import Natural, Share


class Selection(ABC):
    """Chooses some of a set."""

    @abstractmethod
    def choose(self, vectors: np.ndarray, worth: np.ndarray | None, count: int) -> list[int]:
        """The places of `count` of N, first what is to be had first; `vectors` N D of length 1, `worth` N if known."""


class Drawn(Selection):
    """At random: what any other way of choosing has to beat."""

    def __init__(self, *, seed: Natural = 0):
        self.seed = seed

    def choose(self, vectors: np.ndarray, worth: np.ndarray | None, count: int) -> list[int]:
        return np.random.default_rng(self.seed).permutation(len(vectors))[:count].tolist()


class Best(Selection):
    """Those of most worth, whatever they have in common."""

    def choose(self, vectors: np.ndarray, worth: np.ndarray | None, count: int) -> list[int]:
        if worth is None:
            raise ValueError("selection=best goes by a worth: add one, as difficulty=by_model difficulty.model.path=…")
        return np.argsort(-worth, kind="stable")[:count].tolist()


class Diverse(Selection):
    """Those that stand for all: every conversation has one like it among them (facility location).

    Each turn takes the one by which the similarity of all to their nearest chosen grows most, out of some drawn at
    random, which comes within 1 - 1/e - `error` of the best there is (Mirzasoleiman et al. 2015, arXiv:1409.7938). With
    a worth, only the share `pool` of most worth is chosen from; it still has to stand for all. Time grows with N²,
    memory with N: 50,000 take a minute.
    """

    def __init__(self, *, pool: Share = 1.0, error: Share = 0.01, seed: Natural = 0):
        if not 0 < pool <= 1 or not 0 < error < 1:
            raise ValueError(f"selection.pool={pool} and selection.error={error}: give shares above 0; error below 1")
        self.pool, self.error, self.seed = pool, error, seed

    def choose(self, vectors: np.ndarray, worth: np.ndarray | None, count: int) -> list[int]:
        draw = np.random.default_rng(self.seed)
        left = np.arange(len(vectors))
        if worth is not None:
            left = np.argsort(-worth, kind="stable")[: max(count, ceil(self.pool * len(vectors)))]
        nearest = np.zeros(len(vectors), dtype=np.float32)  # of each to what is chosen
        chosen: list[int] = []
        while len(chosen) < count and len(left):
            few = min(len(left), ceil(len(left) / (count - len(chosen)) * log(1 / self.error)))
            places = np.sort(draw.choice(len(left), size=few, replace=False))
            likeness = vectors[left[places]] @ vectors.T
            gains = np.maximum(likeness - nearest, 0).sum(axis=1, dtype=np.float64)
            best = int(gains.argmax())
            chosen.append(int(left[places[best]]))
            nearest = np.maximum(nearest, likeness[best])
            left = np.delete(left, places[best])
        return chosen


def quotas(sizes: dict[str, int], count: int, *, equal: bool) -> dict[str, int]:
    """How many of `count` each task gets: in proportion to what it has, or `equal` as far as that goes; what is left
    over by rounding goes to the largest remainders, by name among equals."""
    count = min(count, sum(sizes.values()))
    if not equal:
        exact = {task: count * size / max(1, sum(sizes.values())) for task, size in sizes.items()}
        got = {task: int(share) for task, share in exact.items()}
        order = sorted(sizes, key=lambda task: (got[task] - exact[task], task))
        for task in order[: count - sum(got.values())]:
            got[task] += 1
        return got
    got = dict.fromkeys(sizes, 0)
    while count:
        open_to = sorted(task for task in sizes if got[task] < sizes[task])
        share = max(1, count // len(open_to))
        for task in open_to:
            more = min(share, sizes[task] - got[task], count)
            got[task], count = got[task] + more, count - more
    return got

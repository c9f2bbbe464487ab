"""Completions that were generated before the step that trains on them, so that a checkpoint has to carry them."""

from collections.abc import Iterable, Sequence
from typing import Any

from lm.policy.rollout import Rollout


class KeptRollouts:
    """Completions by step and by the place of their prompt in the step, which is the same for every partition."""

    def __init__(self) -> None:
        self._steps: dict[int, dict[int, list[Rollout]]] = {}

    @classmethod
    def of(cls, plain: Iterable[tuple[int, int, list[dict[str, Any]]]]) -> "KeptRollouts":
        """Return those of a checkpoint, of all ranks."""
        kept = cls()
        for step, place, rollouts in plain:
            kept.keep(step, place, [Rollout(**each) for each in rollouts])
        return kept

    def keep(self, step: int, place: int, rollouts: list[Rollout]) -> None:
        self._steps.setdefault(step, {})[place] = rollouts

    def has(self, step: int, places: Sequence[Sequence[int]]) -> bool:
        """Whether there are completions at all places of a step."""
        return all(place in self._steps.get(step, {}) for each in places for place in each)

    def take(self, step: int, places: Sequence[Sequence[int]]) -> list[list[Rollout]]:
        """Return the completions of each micro-batch, and forget the step."""
        kept = self._steps.pop(step)
        return [[rollout for place in each for rollout in kept[place]] for each in places]

    def plain(self, step: int) -> list[tuple[int, int, list[dict[str, Any]]]]:
        """Return what is kept for `step` and later ones as plain data."""
        return [
            (each, place, [rollout.plain() for rollout in rollouts])
            for each, places in self._steps.items()
            if each >= step
            for place, rollouts in places.items()
        ]

"""Examples before a question, drawn with a fixed seed."""

import random
from collections.abc import Sequence

from lm.bounds import Natural
from lm.evaluation.items import Item


class Shots:
    """Draw the examples of each question: a function of the seed and the question, whatever else is asked.

    Args:
        count: Number of examples; 0 asks without.
        path: File with the items to draw from, such as the training part; null draws from the other items of the
            evaluation itself, never the question.
        seed: Seed of the draws.
    """

    def __init__(self, *, count: Natural = 0, path: str | list[str] | None = None, seed: int = 1234):
        self.count, self.path, self.seed = count, path, seed

    def draw(self, item: Item, pool: Sequence[Item]) -> list[Item]:
        """Return the examples of an item, none of which is the item.

        Raises:
            ValueError: There are too few others.
        """
        if not self.count:
            return []
        draw = random.Random(f"{self.seed}:{item.id}")
        chosen = draw.sample(pool, min(len(pool), self.count + 1))
        others = [each for each in chosen if each.id != item.id][: self.count]
        if len(others) < self.count:
            others = [each for each in draw.sample(pool, len(pool)) if each.id != item.id][: self.count]
        if len(others) < self.count:
            raise ValueError(
                f"evaluation.shots.count={self.count}: there are only {len(others)} items besides {item.place}: lower "
                "it, or name a file with more in evaluation.shots.path"
            )
        return others

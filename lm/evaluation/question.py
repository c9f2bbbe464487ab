"""What is asked about an item: the contract of every kind of question."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lm.evaluation.items import Item
from lm.evaluation.metrics import Metric
from lm.evaluation.prompter import Example, Prompter
from lm.evaluation.scorer import Scorer
from lm.generation import Generator


@dataclass(frozen=True)
class Asked:
    """An item with the examples before it.

    Args:
        item: The item.
        examples: Prompt and answer of each example.
    """

    item: Item
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Answered:
    """What came of an item.

    Args:
        values: Metric → value of this item; None where it is counted apart.
        chance: Share of such items that a random answer gets right; None where answers are free.
        label: The right answer as something that a constant answer could be: its position, or its text.
        shown: What the record of the item says besides, as plain data.
        spanning: Number of continuations of which a token spans the join with the context.
        cut: Whether the prompt was cut on the left to what fits into the context.
    """

    values: Mapping[str, float | None]
    chance: float | None = None
    label: str | int | None = None
    shown: Mapping[str, object] = field(default_factory=dict)
    spanning: int = 0
    cut: bool = False


@dataclass(frozen=True)
class Asking:
    """What a question is put to.

    Args:
        scorer: Scores continuations.
        generator: Generates replies.
        prompter: Encodes prompts.
    """

    scorer: Scorer
    generator: Generator
    prompter: Prompter


class Question(ABC):
    """Turns items into requests to a model, and what the model makes of these into values.

    `metrics` names them: metric → how its values are averaged.
    """

    metrics: Mapping[str, Metric]

    @abstractmethod
    def example(self, item: Item) -> Example:
        """Return prompt and right answer of an item, to stand before other questions."""

    def asked_fields(self, item: Item) -> list[str]:
        """Return the texts that the prompt is made of, as they stand in the item's fields."""
        return [self.example(item)[0]]

    def check(self, item: Item) -> None:
        """Raise ValueError, with the place, for an item that cannot be asked."""
        self.example(item)

    @abstractmethod
    def ask(self, asked: Sequence[Asked], asking: Asking) -> list[Answered]:
        """Put the question of each item; return what came of each, in order."""

    def identity(self) -> list[str]:
        """Return what the values depend on besides config and data, such as the version of a scorer."""
        return []

    def notes(self, answered: Sequence[Answered]) -> list[str]:
        """Return lines that stand below the scores, such as how good a scorer is."""
        return []

"""The contract of everything that `lm evaluate` can measure."""

from abc import ABC, abstractmethod
from typing import Any

from lm.corpus import Split
from lm.model import Transformer
from lm.tokenizer import Tokenizer


class Evaluation(ABC):
    """One measurement of a trained model, such as a benchmark.

    `split` is what the evaluation holds out of data that a model may have been trained on. `lm evaluate` refuses a
    larger share than training held out. None if all its data is foreign to training.
    """

    split: Split | None = None

    @abstractmethod
    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Measure `model`.

        Returns:
            Plain data for results.json; by convention one entry per task or kind. A list in the entry `items`, with a
            record of each item, is written to a file of its own.
        """

    @abstractmethod
    def table(self, results: dict[str, Any]) -> str:
        """Return the results as lines of aligned columns, a heading first. Called for recorded results as well."""

    def check(self) -> None:  # noqa: B027  most evaluations read their data only once
        """Read the data once, so that a mistake in them is reported before anything is measured.

        Raises:
            ValueError: An item cannot be used; with its place.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of the data measured on. With the same model and config, a second run has nothing to do."""

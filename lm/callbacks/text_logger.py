"""What a logger promises that also takes texts, as what a model writes."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from lightning.pytorch.loggers import Logger


class TextLogger(Logger):
    """A logger of numbers, and of texts in rows."""

    @abstractmethod
    def log_texts(self, name: str, rows: Sequence[Mapping[str, str | int]], *, step: int) -> None:
        """Log rows that all have the same keys."""

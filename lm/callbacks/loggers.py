"""The contract of loggers that also take texts."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from lightning.pytorch.loggers import Logger


class TextLogger(Logger):
    """A logger of metrics and of tables of texts, such as samples."""

    @abstractmethod
    def log_texts(self, name: str, rows: Sequence[Mapping[str, str | int]], *, step: int) -> None:
        """Log a table whose rows all have the same keys."""

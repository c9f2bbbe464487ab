"""What scores texts: a classifier, a word list, a model of another library."""

from collections.abc import Sequence
from typing import Protocol


class Scorer(Protocol):
    """Scores texts from 0 (harmless) to 1 (certainly unwanted).

    `name` has its version; `quality` are lines on how good it is, which reports print beside its scores.
    """

    name: str
    quality: Sequence[str]

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Return the score of each text."""

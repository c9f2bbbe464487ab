"""A scorer of unwanted text, such as a toxicity classifier, as a reward."""

import math
from collections.abc import Sequence

from lm.bounds import Share
from lm.classifier.text_scorer import Scorer
from lm.reward.reward import Answer, Reward


class ScoredText(Reward):
    """Minus the score of an answer by a scorer of unwanted text: 0 for harmless answers, down to −1.

    An empty answer is harmless: a policy with this reward alone falls silent. Combine it with one that asks for more.

    Args:
        scorer: Scores texts from 0 to 1, as `lm.classifier.ClassifierScorer` does.
        threshold: −1 for scores above it and 0 for others; null takes minus the score itself.
    """

    def __init__(self, scorer: Scorer, *, threshold: Share | None = None) -> None:
        self.scorer, self.threshold = scorer, threshold

    @property
    def version(self) -> str:
        return self.scorer.name

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        scores = self.scorer([answer.text for answer in answers])
        for score in scores:
            if not (math.isfinite(score) and 0 <= score <= 1):
                raise ValueError(f"scorer {self.scorer.name} returns {score}, not a number from 0 to 1: mend it")
        if self.threshold is None:
            return [-float(score) for score in scores]
        return [-float(score > self.threshold) for score in scores]

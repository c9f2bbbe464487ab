"""How many words an answer shares with the reference."""

from collections import Counter

from lm.reward.exact import normalized
from lm.reward.reward import Answer, AnswerReward


class WordOverlap(AnswerReward):
    """F1 of the words of the answer and of the reference, as SQuAD scores answers (arXiv:1606.05250): 0 to 1.

    2 × shared ÷ (words of the answer + words of the reference), where a word counts as often as it stands in both.
    Unlike an exact comparison it distinguishes free answers, and it is easier to please: beside `exact` give it a small
    weight. Two empty texts are the same: 1. An answer without a reference is not scorable.

    Args:
        ignore_case: Compare without regard to case.
    """

    needs_reference = True

    def __init__(self, *, ignore_case: bool = False) -> None:
        self.ignore_case = ignore_case

    def score(self, answer: Answer) -> float | None:
        if answer.reference is None:
            return None
        given, right = self._words(answer.text), self._words(answer.reference)
        if not given or not right:
            return float(given == right)
        shared = (Counter(given) & Counter(right)).total()
        return 2 * shared / (len(given) + len(right))

    def _words(self, text: str) -> list[str]:
        text = normalized(text)
        return (text.casefold() if self.ignore_case else text).split()

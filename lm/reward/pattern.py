"""Whether an answer has the form that a regular expression describes."""

import regex

from lm.bounds import Positive
from lm.reward.reward import Answer, AnswerReward


class Pattern(AnswerReward):
    """1 if a regular expression matches an answer, else 0.

    Args:
        pattern: The expression, in the syntax of the package `regex`, a superset of Python's. `.` matches line breaks
            too, `^` and `$` match at lines.
        whole: Whether it must match the whole answer, white space at the ends aside; else a part of it is enough.
        seconds: Time limit of an answer. An expression that backtracks without end on an answer, as (a+)+b does,
            counts as no match: rewrite it, because the limit depends on the machine.
    """

    def __init__(self, pattern: str, *, whole: bool = True, seconds: Positive = 1.0) -> None:
        try:
            self.pattern = regex.compile(pattern, regex.DOTALL | regex.MULTILINE)
        except regex.error as error:
            raise ValueError(f"reward.pattern {pattern!r} is not a regular expression: {error}") from None
        self.whole, self.seconds = whole, seconds

    def score(self, answer: Answer) -> float | None:
        match = self.pattern.fullmatch if self.whole else self.pattern.search
        try:
            return float(match(answer.text.strip(), timeout=self.seconds) is not None)
        except TimeoutError:
            return 0.0

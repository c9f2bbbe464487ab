"""Whether an answer is the reference, word for word."""

import unicodedata

from lm.reward.reward import Answer, AnswerReward


class ExactAnswer(AnswerReward):
    """1 if the answer is the reference, else 0.

    Both are compared after Unicode compatibility normalization (NFKC, which makes full-width characters narrow),
    without invisible marks of direction and joining, with white space collapsed and stripped at both ends. An answer
    without a reference is not scorable.

    Args:
        ignore_case: Compare without regard to case.
        ignore_final_period: Compare without a period at the end, as in `Paris.`.
        finished_only: Give 0 to an answer that was cut at the length limit.
    """

    needs_reference = True

    def __init__(
        self, *, ignore_case: bool = False, ignore_final_period: bool = False, finished_only: bool = False
    ) -> None:
        self.ignore_case, self.ignore_final_period = ignore_case, ignore_final_period
        self.finished_only = finished_only

    def score(self, answer: Answer) -> float | None:
        if answer.reference is None:
            return None
        if self.finished_only and not answer.finished:
            return 0.0
        return float(self._normalized(answer.text) == self._normalized(answer.reference))

    def _normalized(self, text: str) -> str:
        text = normalized(text)
        text = text.casefold() if self.ignore_case else text
        return text.removesuffix(".").rstrip() if self.ignore_final_period else text


def normalized(text: str) -> str:
    """Return a text in NFKC, without invisible format characters, each run of white space as one blank."""
    text = unicodedata.normalize("NFKC", text)
    visible = text if text.isascii() else "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return " ".join(visible.split())

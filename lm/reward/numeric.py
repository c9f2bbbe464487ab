"""Whether the number that an answer ends with is that of the reference."""

from lm.bounds import NonNegative
from lm.reward.numbers_in_text import WrittenNumber, numbers_in
from lm.reward.reward import Answer, AnswerReward


class NumericAnswer(AnswerReward):
    """1 if the number of the answer equals that of the reference, else 0.

    The number is the last one of the text, or the first after the last `marker`. The reference is read the same way,
    without its marker where it has none; a reference without a number is not scorable. How numbers may be written is
    documented by `lm.reward.numbers_in_text.numbers_in`.

    Args:
        marker: Text that the number follows, such as `####` or `The answer is`; null takes the last number of all.
        one_answer: Give 0 to an answer with several markers, which could name several numbers.
        tolerance: Largest difference that still counts as equal, in the number's unit.
        relative_tolerance: The same as a share of the reference; the larger of the two tolerances holds.
    """

    needs_reference = True

    def __init__(
        self,
        *,
        marker: str | None = None,
        one_answer: bool = False,
        tolerance: NonNegative = 0.0,
        relative_tolerance: NonNegative = 0.0,
    ) -> None:
        if marker is not None and not marker.strip():
            raise ValueError("reward.marker is empty: give a text such as ####, or null for the last number")
        self.marker, self.one_answer = marker, one_answer
        self.tolerance, self.relative_tolerance = tolerance, relative_tolerance

    def score(self, answer: Answer) -> float | None:
        marked = self.marker is not None and self.marker in (answer.reference or "")
        right = self._number(answer.reference or "", self.marker if marked else None)
        if right is None:
            return None
        if self.marker and self.one_answer and answer.text.count(self.marker) > 1:
            return 0.0
        given = self._number(answer.text, self.marker)
        if given is None:
            return 0.0
        return float(given.equals(right, absolute=self.tolerance, relative=self.relative_tolerance))

    def _number(self, text: str, marker: str | None) -> WrittenNumber | None:
        if marker is None:
            return (numbers_in(text) or [None])[-1]
        _, found, after = text.rpartition(marker)
        return (numbers_in(after) or [None])[0] if found else None

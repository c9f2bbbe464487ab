"""A price, or a premium, on the length of answers."""

from lm.bounds import Natural, Positive
from lm.reward.reward import Answer, AnswerReward


class Length(AnswerReward):
    """`per_token` for each token beyond `target`, between −cap and cap.

    A premium on length (`per_token` above 0) is hacked at once: the model repeats itself up to the length limit, and
    every other reward fades beside it. It is there to show that. A price on length is hacked by an empty answer unless
    another reward outweighs it: give a `target` up to which tokens cost nothing, and a `cap` below what a right answer
    earns. DAPO's overlong penalty is `target` = limit − buffer, `per_token` = −1 / buffer and `cap` 1.

    Args:
        per_token: Reward of each token counted; below 0 it is a price.
        target: Tokens that are not counted.
        both_sides: Count the tokens that are missing up to `target` too, so that `target` is the best length.
        cap: Largest absolute reward; null for none.
    """

    def __init__(
        self, *, per_token: float = -0.001, target: Natural = 0, both_sides: bool = False, cap: Positive | None = 1.0
    ) -> None:
        if per_token == 0:
            raise ValueError("reward.per_token=0 gives no reward: try -0.001")
        self.per_token, self.target, self.both_sides, self.cap = per_token, target, both_sides, cap

    def score(self, answer: Answer) -> float | None:
        beyond = answer.tokens - self.target
        value = self.per_token * (abs(beyond) if self.both_sides else max(0, beyond))
        return value if self.cap is None else max(-self.cap, min(self.cap, value))

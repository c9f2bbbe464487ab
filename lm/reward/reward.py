"""The contract of everything that scores answers, and the weighted sum of several."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

from lm.conversation import Message


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A completion to score, with what it answers.

    Args:
        prompt: The prompt as it was rendered for the model, turn tokens as text.
        text: The answer: the text of the last assistant turn, without turn tokens and stop token.
        messages: The turns before the answer, tool calls and their results included.
        reference: What the data gives to score by, such as the right answer or unit tests; None where it gives nothing.
        tokens: Number of tokens generated for the answer, the stop token included.
        finished: Whether a stop token ended the answer; False where it was cut at the length limit.
        place: Where the prompt was read, as `problems.jsonl:12`; "" where that is not known.
    """

    prompt: str = ""
    text: str
    messages: tuple[Message, ...] = ()
    reference: str | None = None
    tokens: int = 0
    finished: bool = True
    place: str = ""

    def describe(self, number: int) -> str:
        """Return words for messages: the beginning of the text and its prompt, or its number in the batch."""
        text = shorten(self.text, 60, placeholder=" …") or "an empty text"
        return f"the answer to {self.place} ({text})" if self.place else f"answer {number} ({text})"


class Reward(ABC):
    """Scores answers; higher is better.

    Subclass `AnswerReward` to score one answer at a time, and this class to score a batch at once.
    """

    needs_reference: bool = False  # whether an answer without a reference cannot be scored

    @property
    def version(self) -> str:
        """What scores depend on besides the config, such as the content of a file; "" for nothing."""
        return ""

    @abstractmethod
    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        """Score each answer, in order.

        Returns:
            A finite number per answer; None for an answer that this reward cannot score.
        """


class AnswerReward(Reward):
    """A reward of one answer at a time."""

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        return [self.score(answer) for answer in answers]

    @abstractmethod
    def score(self, answer: Answer) -> float | None:
        """Return the reward of an answer; None if it is not scorable."""


@dataclass(frozen=True)
class Scores:
    """The rewards of a batch of answers.

    Args:
        total: The weighted sum of each answer; None for an answer that is not scorable.
        parts: The unweighted values of each part, by its name, for logs.
    """

    total: list[float | None]
    parts: dict[str, list[float | None]]


class RewardSum:
    """The weighted sum of rewards.

    An answer is not scorable if a part with a weight other than 0 cannot score it: a sum without that part would
    compare different quantities within a group.

    Args:
        parts: Rewards by name, as in logs: `reward/NAME`.
        weights: Factor of each part, by its name; a part that is not named has 1. A part of weight 0 is logged only.
        skip_unscorable: Sum the parts that can score an answer, for mixtures of tasks each with rewards of its own;
            an answer that none can score stays unscorable.

    Raises:
        ValueError: No parts, a weight for a part that does not exist, or a weight that is not finite.
    """

    def __init__(
        self,
        parts: Mapping[str, Reward],
        *,
        weights: Mapping[str, float] | None = None,
        skip_unscorable: bool = False,
    ):
        weights = weights or {}
        if not parts:
            raise ValueError("reward.parts is empty: add a reward, as in +reward@…reward.parts.answer=exact")
        if unknown := sorted(weights.keys() - parts.keys()):
            raise ValueError(f"reward.weights names {unknown[0]}, which is no part: name one of {', '.join(parts)}")
        for name, weight in weights.items():
            if not math.isfinite(weight):
                raise ValueError(f"reward.weights.{name}={weight} is not a finite number: try 1")
        self.parts = dict(parts)
        self.weights = {name: float(weights.get(name, 1.0)) for name in parts}
        self.skip_unscorable = skip_unscorable
        if not any(self.weights.values()):
            raise ValueError("reward.weights are all 0, so every answer would score 0: give one part a weight")

    @property
    def needs_reference(self) -> bool:
        """Whether no answer without a reference can be scored."""
        needs = [self.parts[name].needs_reference for name, weight in self.weights.items() if weight]
        return all(needs) if self.skip_unscorable else any(needs)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the parts that have one."""
        return {name: part.version for name, part in self.parts.items() if part.version}

    def __call__(self, answers: Sequence[Answer]) -> Scores:
        """Score each answer.

        Raises:
            ValueError: A part returns another number of scores, or a score that is neither None nor a finite number.
        """
        parts = {name: _checked(name, part(answers), answers) for name, part in self.parts.items()}
        total = []
        for number, answer in enumerate(answers):
            scored = {name: (parts[name][number], weight) for name, weight in self.weights.items() if weight}
            total.append(self._sum(scored, answer, number))
        return Scores(total, parts)

    def _sum(self, scored: Mapping[str, tuple[float | None, float]], answer: Answer, number: int) -> float | None:
        known = [score * weight for score, weight in scored.values() if score is not None]
        complete = len(known) == len(scored) or (self.skip_unscorable and known)
        if not all(map(math.isfinite, known)):
            terms = ", ".join(f"{name} {score} × {weight:g}" for name, (score, weight) in scored.items())
            raise ValueError(
                f"the weighted rewards of {answer.describe(number)} are too large to be added ({terms}): lower "
                "reward.weights"
            )
        return math.fsum(known) if complete else None


def _checked(name: str, scores: Sequence[float | None], answers: Sequence[Answer]) -> list[float | None]:
    """The scores of a part as floats, or an error that names the part and the answer."""
    if len(scores) != len(answers):
        raise ValueError(f"reward {name} returns {len(scores)} scores for {len(answers)} answers: return one for each")
    for number, score in enumerate(scores):
        try:
            usable = score is None or math.isfinite(score)
        except TypeError:
            usable = False
        if not usable:
            raise ValueError(
                f"reward {name} returns {score!r} for {answers[number].describe(number)}: return a finite number, or "
                "None where an answer cannot be scored"
            )
    return [None if score is None else float(score) for score in scores]

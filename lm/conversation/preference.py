"""Answers that somebody has judged: pairs of which one side is preferred, and single answers with a label."""

import re
from dataclasses import dataclass, replace
from functools import cached_property

from lm.conversation.conversation import Conversation, Message

SIDES = ("chosen", "rejected")


@dataclass(frozen=True)
class PreferencePair:
    """Two conversations that begin alike, of which the first ends better.

    The prompt is what both begin with. Their answers follow it; turns of the user among these must be the same.

    Args:
        chosen: The better one, whole.
        rejected: The worse one, whole.
        margin: By how much the chosen one is better; 0 where the data do not say.
        cut_off: The text that ends one side and is missing at the end of the other; "" for none.
    """

    chosen: Conversation
    rejected: Conversation
    margin: float = 0.0
    cut_off: str = ""

    @property
    def place(self) -> str:
        """Where it was read, as `pairs.jsonl:12`."""
        return self.chosen.place

    @property
    def task(self) -> str:
        """Kind of question."""
        return self.chosen.task

    @property
    def key(self) -> str:
        """What decides whether it is held out: its group, or else what the user says first."""
        return prompt_key(self.chosen)

    @cached_property
    def shared(self) -> int:
        """Turns that both sides begin with."""
        turns = zip(self.chosen.messages, self.rejected.messages, strict=False)
        return next((n for n, (one, other) in enumerate(turns) if _said(one) != _said(other)), self._shortest)

    @property
    def _shortest(self) -> int:
        return min(len(self.chosen.messages), len(self.rejected.messages))

    @property
    def sides(self) -> tuple[Conversation, Conversation]:
        """The chosen and the rejected conversation; only what follows the shared turns is learned."""
        chosen, rejected = (_learned_from(side, self.shared) for side in (self.chosen, self.rejected))
        return chosen, rejected

    def check(self) -> None:
        """Refuse a pair that cannot be learned from.

        Raises:
            ValueError: A side cannot be read, is empty or has no answer at its end; both are the same; they answer
                different prompts; or one was cut off. With place, side and turn.
        """
        if self.chosen is self.rejected:
            self.chosen.check()  # raises the fault of a record that cannot be read
        for side, name in zip((self.chosen, self.rejected), SIDES, strict=True):
            check_answer(side, name=f"the {name} side")
        one, other = self.chosen.messages, self.rejected.messages
        if self.shared == len(one) == len(other):
            raise ValueError(f"{self.place}: both sides are the same: remove it")
        if self.shared == self._shortest or {one[self.shared].role, other[self.shared].role} != {"assistant"}:
            raise ValueError(f"{self.place}: the sides have different prompts: give both the same, or remove it")
        if _asked(one[self.shared :]) != _asked(other[self.shared :]):
            raise ValueError(f"{self.place}: the sides have different prompts: give both the same, or remove it")
        if self.cut_off:
            raise ValueError(f"{self.place}: {self.cut_off}: complete it, or remove it")
        for side, name in zip(self.sides, SIDES, strict=True):
            if not side.messages[-1].supervised or not any(message.learned for message in side.messages):
                raise ValueError(
                    f"{self.place}: the answer of the {name} side is marked as not to be learned: remove it"
                )


@dataclass(frozen=True)
class LabelledAnswer:
    """A conversation whose last answer is labelled as desirable or not.

    Args:
        conversation: The conversation, whole.
        desirable: Whether its last answer is a good one.
    """

    conversation: Conversation
    desirable: bool

    @property
    def place(self) -> str:
        """Where it was read, as `answers.jsonl:12`."""
        return self.conversation.place

    @property
    def task(self) -> str:
        """Kind of question."""
        return self.conversation.task

    @property
    def key(self) -> str:
        """What decides whether it is held out: its group, or else what the user says first."""
        return prompt_key(self.conversation)

    @property
    def sides(self) -> tuple[Conversation]:
        """The conversation; only its last answer is learned."""
        return (_learned_from(self.conversation, len(self.conversation.messages) - 1),)

    def check(self) -> None:
        """Refuse an answer that cannot be learned from.

        Raises:
            ValueError: It cannot be read, is empty, or is not at the end; with place and turn.
        """
        check_answer(self.conversation, name="it")


Judged = PreferencePair | LabelledAnswer


def prompt_key(conversation: Conversation) -> str:
    """Return the group of a conversation, or else its system text and the user's first words.

    So no prompt is on both sides of a split, nor one and its continuation.
    """
    if conversation.group:
        return conversation.group
    asked = [message.content for message in conversation.messages if message.role in ("system", "user")]
    system = conversation.messages[:1] and conversation.messages[0].role == "system"
    return "\n".join(map(str, asked[: 1 + bool(system)])) or conversation.key


def check_answer(conversation: Conversation, *, name: str) -> None:
    """Refuse a conversation that cannot be read or that does not end with an answer.

    Args:
        conversation: The conversation.
        name: What messages call it, as "the rejected side".

    Raises:
        ValueError: What is wrong, with place, name and turn.
    """
    place = conversation.place
    try:
        conversation.check()
    except ValueError as fault:
        turn, what = re.match(r"(?s)((?:, turn \d+)?):? ?(.*)", str(fault).removeprefix(place)).groups()
        subject = f"{name} " if what.startswith("has ") else f"in {name}, " if name != "it" else ""
        raise ValueError(f"{place}{turn}: {subject}{what}") from None
    if (last := conversation.messages[-1].role) != "assistant":
        raise ValueError(f"{place}: {name} ends with a {last} turn, not with an answer: complete it, or remove it")


def _said(message: Message) -> tuple[str, str, str]:
    return message.role, message.content.strip(), message.reasoning.strip()


def _asked(messages: tuple[Message, ...]) -> list[tuple[str, str, str]]:
    """What is said by others than the assistant."""
    return [_said(message) for message in messages if message.role != "assistant"]


def _learned_from(conversation: Conversation, number: int) -> Conversation:
    """The conversation with only the answers after its first `number` turns to be learned."""
    before = (replace(message, supervised=False) for message in conversation.messages[:number])
    return replace(conversation, messages=(*before, *conversation.messages[number:]))

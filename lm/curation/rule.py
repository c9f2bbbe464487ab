"""What a set of conversations is held against before any is learned from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from lm.conversation import Conversation
from lm.corpus import Dropped

Part = Literal["questions", "answers", "all"]
ROLES = {"questions": ("user",), "answers": ("assistant",), "all": ("system", "user", "assistant", "tool")}


class Rule(ABC):
    """Says which conversations of a set to leave out. It sees all that the rules before it let pass."""

    @abstractmethod
    def __call__(self, conversations: Sequence[Conversation]) -> dict[int, Dropped]:
        """By place in the set, why it is left out."""


class EachRule(Rule):
    """A rule that looks at one conversation at a time."""

    def __call__(self, conversations: Sequence[Conversation]) -> dict[int, Dropped]:
        found = ((place, self.judge(conversation)) for place, conversation in enumerate(conversations))
        return {place: dropped for place, dropped in found if dropped is not None}

    @abstractmethod
    def judge(self, conversation: Conversation) -> Dropped | None:
        """Why it is left out, if it is."""


def said(conversation: Conversation, part: Part) -> str:
    """The turns of a part, an empty line between them."""
    return "\n\n".join(turn.content for turn in conversation.messages if turn.role in ROLES[part])

"""What assistants say in place of an answer."""

import re
from collections.abc import Sequence

from lm.bounds import Count
from lm.conversation import Conversation
from lm.corpus import Dropped
from lm.curation.rule import EachRule

APOSTROPHES = str.maketrans("’ʼ`´", "''''")


class Phrases(EachRule):
    """Leave out conversations in an answer of which one of `phrases` stands, whatever its case and blanks.

    `first` looks only at so many characters from the beginning of each answer, as a refusal begins with its words while
    a story may have them anywhere. `reason` is what such conversations are counted by.
    """

    def __init__(self, phrases: Sequence[str], *, reason: str, first: Count | None = None):
        if isinstance(phrases, str) or not phrases or not all(map(str.strip, phrases)):
            raise ValueError(f"phrases {phrases!r}: give a list of one phrase or more, none of them empty")
        self.phrases, self.reason, self.first = list(phrases), reason, first
        either = "|".join(re.escape(_plain(phrase)) for phrase in phrases)
        self._any = re.compile(rf"(?<!\w)(?:{either})(?!\w)")

    def judge(self, conversation: Conversation) -> Dropped | None:
        for turn in conversation.messages:
            if turn.role == "assistant" and (found := self._any.search(_plain(turn.content[: self.first]))):
                return Dropped(self.reason, found[0])
        return None


def _plain(text: str) -> str:
    return " ".join(text.casefold().translate(APOSTROPHES).split())

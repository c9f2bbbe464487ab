"""Conversations of another source, some of whose answers belong to other questions: noise for experiments."""

from collections.abc import Iterator
from dataclasses import replace

from lm.bounds import Share
from lm.conversation.conversation import Conversation
from lm.conversation.sources.draw import Draw
from lm.conversation.sources.source import ConversationSource
from lm.files import hash_json


class SwappedAnswers(ConversationSource):
    """The conversations of another source, a share of which gets the last answer of another one of the same task.

    Which ones, and whose answer, follows from the conversations alone. Each keeps its key, so exactly those
    conversations are held out that the other source holds out. All are kept in memory.

    Args:
        conversations: The clean source.
        share: Share of the conversations whose last answer is replaced.
    """

    def __init__(self, conversations: ConversationSource, *, share: Share = 0.5):
        self.conversations, self.share = conversations, share

    def fingerprint(self) -> str:
        return hash_json(["swapped answers", self.conversations.fingerprint(), self.share])

    def __iter__(self) -> Iterator[Conversation]:
        talks = [*self.conversations]
        self.notes = self.conversations.notes
        answered: dict[str, list[str]] = {}
        for talk in talks:
            if _answers(talk):
                answered.setdefault(talk.task, []).append(talk.messages[-1].content)
        for number, talk in enumerate(talks):
            draw = Draw(f"{number} {talk.key}")
            if _answers(talk) and draw("swap", 1_000_000) < 1_000_000 * self.share:
                other = draw.pick("answer", answered[talk.task])
                messages = (*talk.messages[:-1], replace(talk.messages[-1], content=other))
                yield replace(talk, messages=messages, group=talk.key)
            else:
                yield replace(talk, group=talk.key)


def _answers(talk: Conversation) -> bool:
    return bool(talk.messages) and talk.messages[-1].role == "assistant" and not talk.messages[-1].calls

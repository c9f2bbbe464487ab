"""Conversations as plain documents, for pretraining on dialogue."""

from collections.abc import Iterator

from lm.conversation.sources.source import ConversationSource
from lm.conversation.tools import tools_as_text
from lm.corpus import Document, Source
from lm.files import hash_json

NAMES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


class ConversationDocuments(Source):
    """Each conversation as a text with a line or more per turn: `User: …`, `Assistant: …`.

    Tools stand at the end of the system turn, as in tuning. A document has the key of its conversation, so a split
    holds out the same conversations here and in tuning.

    Args:
        conversations: The conversations; those that could not be read are left out.
        kind: Kind of the documents; bits per byte are reported per kind.
    """

    def __init__(self, conversations: ConversationSource, *, kind: str = "dialogue"):
        self.conversations, self.kind = conversations, kind

    def fingerprint(self) -> str:
        return hash_json(["conversations and tools", self.conversations.fingerprint(), self.kind])

    def __iter__(self) -> Iterator[Document]:
        for number, talk in enumerate(self.conversations, 1):
            turns = [f"{NAMES[turn.role]}: {turn.content}\n" for turn in tools_as_text(talk).messages]
            if turns and not talk.fault:
                yield Document("".join(turns), f"{talk.place} ({number})", self.kind, talk.key)
        self.notes = self.conversations.notes

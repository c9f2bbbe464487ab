"""Conversations from one text each, in which speakers are named, as the pairs of HH-RLHF have them."""

import re
from collections.abc import Iterator

from lm.conversation.conversation import Message
from lm.conversation.sources.conversation_reader import RecordFiles
from lm.conversation.sources.record_source import Hub
from lm.conversation.sources.records import field_of, kind_of


class TranscriptFiles(RecordFiles):
    """A field that holds a whole conversation, each turn opened by who speaks: `\\n\\nHuman: hi\\n\\nAssistant: ho`.

    `user` and `assistant` are what stands before a turn of the user and one of the assistant. Turns that follow each
    other under one name are one turn, an empty line between; blanks at the ends of turns are cut.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        text_field: str,
        user: str,
        assistant: str,
        task_field: str | None = None,
        hub: Hub | None = None,
    ):
        super().__init__(path, task_field=task_field, hub=hub)
        self.text_field, self.user, self.assistant = text_field, user, assistant
        self._roles = {user: "user", assistant: "assistant"}
        self._names = re.compile(f"({re.escape(user)}|{re.escape(assistant)})")

    def options(self) -> dict:
        return {"field": self.text_field, "user": self.user, "assistant": self.assistant}

    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        text = field_of(record, self.text_field, place)
        if not isinstance(text, str):
            raise ValueError(f"{place}: field {self.text_field!r} is {kind_of(text)}, not text")
        before, *parts = self._names.split(text)
        if before.strip() or not parts:
            raise ValueError(
                f"{place}: field {self.text_field!r} does not open with {self.user!r} or {self.assistant!r}: say in "
                "data.conversations.user and data.conversations.assistant what opens their turns"
            )
        messages: list[Message] = []
        for name, words in zip(parts[::2], parts[1::2], strict=True):
            role, said = self._roles[name], words.strip()
            if messages and messages[-1].role == role:
                said = f"{messages.pop().content}\n\n{said}".strip()
            messages.append(Message(role, said))
        yield messages

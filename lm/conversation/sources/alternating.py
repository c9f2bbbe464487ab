"""Conversations as plain lists of what was said, user and assistant in turn, as LIMA has them."""

from collections.abc import Iterator

from lm.conversation.conversation import Message
from lm.conversation.sources.conversation_reader import RecordFiles
from lm.conversation.sources.record_source import Hub
from lm.conversation.sources.records import field_of, kind_of


class AlternatingFiles(RecordFiles):
    """A field that holds a list of texts, of which the user says the first: `{"conversations": ["hi", "ho", …]}`."""

    def __init__(
        self,
        path: str | list[str],
        *,
        turns_field: str = "conversations",
        task_field: str | None = None,
        hub: Hub | None = None,
    ):
        super().__init__(path, task_field=task_field, hub=hub)
        self.turns_field = turns_field

    def options(self) -> dict:
        return {"field": self.turns_field}

    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        said = field_of(record, self.turns_field, place)
        if not isinstance(said, list):
            raise ValueError(f"{place}: field {self.turns_field!r} is {kind_of(said)}, not a list of texts")
        yield [Message(("user", "assistant")[number % 2], text) for number, text in enumerate(said)]

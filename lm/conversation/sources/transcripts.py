"""Conversations stored as one text each, in which names open the turns (HH-RLHF)."""

import re
from collections.abc import Iterator

from lm.conversation.conversation import Message, UnreadableRecordError
from lm.conversation.sources.preferences import Preferences
from lm.conversation.sources.record import Record
from lm.conversation.sources.records import HubDataset, field_of, kind_of
from lm.conversation.sources.source import RecordwiseSource


class Transcripts(RecordwiseSource):
    """Records with a whole conversation in one field: `\\n\\nHuman: hi\\n\\nAssistant: hello`.

    Consecutive turns of one speaker are merged, an empty line between; white space at the ends of turns is stripped.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        text_field: Field that holds the transcript.
        user: Text that opens a user turn, as "\\n\\nHuman:".
        assistant: Text that opens an assistant turn, as "\\n\\nAssistant:".
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together; null holds out each conversation separately.
        preferences: Records that compare a better answer with a worse one: refuse them, or read the chosen answers.
        columns: Names of the columns of CSV and TSV files without a header; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV; false takes them as text.
        delimiter: Character between cells of CSV and TSV; null finds it.
        encoding: Encoding of the files, as windows-1252; detect guesses it.
        records_field: Field with the list of records, as data, in a JSON file of one object; null for other files.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        text_field: str,
        user: str,
        assistant: str,
        task_field: str | None = None,
        group_field: str | None = None,
        preferences: Preferences = "refuse",
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        super().__init__(
            path,
            task_field=task_field,
            group_field=group_field,
            preferences=preferences,
            columns=columns,
            quoted=quoted,
            delimiter=delimiter,
            encoding=encoding,
            records_field=records_field,
            hub=hub,
        )
        self.text_field, self.user, self.assistant = text_field, user, assistant
        self._roles = {user: "user", assistant: "assistant"}
        self._names = re.compile(f"({re.escape(user)}|{re.escape(assistant)})")

    def options(self) -> dict:
        return {"field": self.text_field, "user": self.user, "assistant": self.assistant}

    def conversations(self, record: Record, place: str) -> Iterator[list[Message]]:
        text = field_of(record, self.text_field, place)
        if not isinstance(text, str):
            raise UnreadableRecordError(f"{place}: field {self.text_field!r} is {kind_of(text)}, not text")
        before, *parts = self._names.split(text)
        if before.strip() or not parts:
            raise UnreadableRecordError(
                f"{place}: field {self.text_field!r} does not begin with {self.user!r} or {self.assistant!r}: set "
                "data.conversations.user and data.conversations.assistant to what opens their turns"
            )
        messages: list[Message] = []
        for name, content in zip(parts[::2], parts[1::2], strict=True):
            role, content = self._roles[name], content.strip()
            if messages and messages[-1].role == role:
                content = f"{messages.pop().content}\n\n{content}".strip()
            messages.append(Message(role, content))
        yield messages

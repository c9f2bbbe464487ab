"""The contract of every source of conversations, and what the readers of records share."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from lm.conversation.conversation import ROLES, Conversation, Message
from lm.conversation.sources.records import FileRecords, HubDataset, field_of
from lm.files import hash_json


class ConversationSource(ABC):
    """Conversations in a fixed order, read again at each iteration.

    `notes` lists what the last complete reading changed or left out, one sentence each.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[Conversation]:
        """Yield each conversation in order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of everything that determines the conversations."""


def known_roles(names: dict[str, str] | None) -> dict[str, str]:
    """Return the role of each name that a file uses: the roles under their own names, and those in `names`.

    Raises:
        ValueError: A name stands for a role that does not exist.
    """
    roles = {role: role for role in ROLES} | (names or {})
    if unknown := sorted(set(roles.values()) - set(ROLES)):
        raise ValueError(f"data.conversations.roles: {unknown[0]!r} is not one of {', '.join(ROLES)}")
    return roles


class LayoutSource(ConversationSource):
    """Conversations from records in one layout. A subclass reads them all; see `RecordwiseSource` for one at a time.

    Lone surrogates (halves of characters, which JSON can spell) become � and are counted in the notes.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; .gz, .zst, .tar and .zip are unpacked. With
            `hub`, one id of the Hugging Face hub or a directory laid out like a data set of it.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together, as where one text has several questions.
        columns: Names of the columns of CSV and TSV files without a header; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV; false takes them as text.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        task_field: str | None,
        group_field: str | None = None,
        columns: list[str] | None = None,
        quoted: bool = True,
        hub: HubDataset | None = None,
    ):
        self.records = FileRecords(path, columns=columns, quoted=quoted) if hub is None else hub.records(path)
        self.task_field, self.group_field = task_field, group_field
        self.counts: Counter[str] = Counter()  # what this reading changed or left out

    @abstractmethod
    def read(self) -> Iterator[Conversation]:
        """Yield each conversation as the records have it."""

    @abstractmethod
    def options(self) -> dict:
        """Return what determines the conversations besides the records, as plain data."""

    def fingerprint(self) -> str:
        group = [] if self.group_field is None else [{"group": self.group_field}]
        return hash_json([type(self).__name__, self.options(), self.task_field, *group, *self.records.identity()])

    def __iter__(self) -> Iterator[Conversation]:
        self.counts.clear()
        for conversation in self.read():
            messages = tuple(self._without_surrogates(message) for message in conversation.messages)
            yield replace(conversation, messages=messages)
        self.notes = tuple(f"{count} {what}" for what, count in self.counts.items())

    def task(self, record: dict, place: str) -> str:
        """Return the task of a record; "" without `task_field`."""
        return "" if self.task_field is None else str(field_of(record, self.task_field, place))

    def group(self, record: dict, place: str) -> str:
        """Return the group of a record; "" without `group_field`."""
        return "" if self.group_field is None else str(field_of(record, self.group_field, place))

    def _without_surrogates(self, message: Message) -> Message:
        if not isinstance(message.content, str):
            return message  # refused by the template, with its place
        text = message.content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if text == message.content:
            return message
        self.counts["turns had lone surrogates (halves of characters), replaced by �"] += 1
        return replace(message, content=text)


class RecordwiseSource(LayoutSource):
    """Conversations from records that stand alone: each one becomes one conversation or several."""

    @abstractmethod
    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        """Yield the turns of each conversation in a record; `place` begins error messages."""

    def read(self) -> Iterator[Conversation]:
        for place, record in self.records:
            task, group = self.task(record, place), self.group(record, place)
            for turns in self.conversations(record, place):
                yield Conversation(tuple(turns), task=task, group=group, place=place)

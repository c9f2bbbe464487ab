"""The contract of every source of conversations, and what the readers of records share."""

import inspect
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources.preferences import Preferences, better_half, refuse_preferences, rejecting_label
from lm.conversation.sources.record import Record
from lm.conversation.sources.records import FileRecords, HubDataset, UnreadableRecordError, field_of, optional_field
from lm.conversation.sources.training_flags import is_left_out
from lm.conversation.sources.unread_fields import UnreadFields
from lm.conversation.tools import parse_tools
from lm.files import hash_json
from lm.sources.fields import is_missing

HEAD = 100  # records of which one must be readable


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


class LayoutSource(ConversationSource):
    """Conversations from records in one layout. A subclass reads them all; see `RecordwiseSource` for one at a time.

    Lone surrogates (halves of characters, which JSON can spell) become � and are counted in the notes, as are fields
    that hold something and that no option reads.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; .gz, .zst, .tar and .zip are unpacked. With
            `hub`, one id of the Hugging Face hub or a directory laid out like a data set of it.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together, as where one text has several questions.
        tools_field: Field with the tools that the assistant may call; null for none.
        preferences: Records that compare a better answer with a worse one: refuse them, or read the chosen answers.
        columns: Names of the columns of CSV and TSV files without a header; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV; false takes them as text.
        delimiter: Character between cells of CSV and TSV; null finds it.
        encoding: Encoding of the files, as windows-1252, or detect.
        records_field: Field with the list of records, as data, in a JSON file of one object; null for other files.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        task_field: str | None,
        group_field: str | None = None,
        tools_field: str | None = None,
        preferences: Preferences = "refuse",
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        given = {"columns": columns, "delimiter": delimiter, "records_field": records_field}
        if hub is not None and (of_files := [option for option, value in given.items() if value is not None]):
            raise ValueError(f"data.conversations.{of_files[0]} is for files, not for a hub data set: remove it")
        self.records = (
            FileRecords(
                path,
                columns=columns,
                quoted=quoted,
                delimiter=delimiter,
                encoding=encoding,
                records_field=records_field,
            )
            if hub is None
            else hub.records(path)
        )
        self.task_field, self.group_field, self.tools_field = task_field, group_field, tools_field
        self.preferences = preferences
        self.counts: Counter[str] = Counter()  # what this reading changed or left out
        self.unread = UnreadFields(inspect.signature(type(self)).parameters)

    @abstractmethod
    def read(self) -> Iterator[Conversation]:
        """Yield each conversation as the records have it."""

    @abstractmethod
    def options(self) -> dict:
        """Return what determines the conversations besides the records, as plain data."""

    def fingerprint(self) -> str:
        more = [] if self.group_field is None else [{"group": self.group_field}]
        more += [{"tools": self.tools_field}] if self.tools_field else []
        more += [{"preferences": self.preferences}] if self.preferences != "refuse" else []
        return hash_json([type(self).__name__, self.options(), self.task_field, *more, *self.records.identity()])

    def __iter__(self) -> Iterator[Conversation]:
        self.counts.clear()
        self.unread.clear()
        for conversation in self.read():
            messages = tuple(self._without_surrogates(message) for message in conversation.messages)
            yield replace(conversation, messages=messages)
        counted = (f"{count} {what}" for what, count in self.counts.items())
        self.notes = (*self.records.notes, *counted, *self.unread.notes())

    def task(self, record: dict, place: str) -> str:
        """Return the task of a record; "" without `task_field`, and where it is null."""
        return _label(record, self.task_field, place)

    def group(self, record: dict, place: str) -> str:
        """Return the group of a record; "" without `group_field`, and where it is null."""
        return _label(record, self.group_field, place)

    def read_records(self, turns_field: str | None = None) -> Iterator[tuple[str, Record]]:
        """Yield (place, record) of each record, without the worse answers of preference pairs.

        Args:
            turns_field: Field with the list of turns, for layouts that have one.

        Raises:
            ValueError: A record compares answers, unless preferences=chosen.
        """
        used = {self.task_field, self.group_field}
        for place, fields in self.records:
            record = fields if isinstance(fields, Record) else Record(fields)
            if self.preferences == "chosen":
                if rejecting_label(record, used):
                    self.counts["records with a rejected answer were left out"] += 1
                    continue
                better = better_half(record, turns_field)
                if better is not record:
                    self.counts["worse answers were left out"] += 1
                record = better
            if not record.judged:
                refuse_preferences(record, place, used)
            yield place, record
            self.unread.add(record)

    def _without_surrogates(self, message: Message) -> Message:
        if not isinstance(message.content, str):
            return message  # refused by the template, with its place
        content, reasoning = map(_whole, (message.content, message.reasoning))
        if (content, reasoning) == (message.content, message.reasoning):
            return message
        self.counts["turns had lone surrogates (halves of characters), replaced by �"] += 1
        return replace(message, content=content, reasoning=reasoning, calls=tuple(map(_whole, message.calls)))


def _whole(text: str) -> str:
    """The text with � for halves of characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class RecordwiseSource(LayoutSource):
    """Conversations from records that stand alone: each one becomes one conversation or several.

    A record that cannot be read becomes a conversation with a `fault`, which `Conversation.check` reports. If none of
    the first 100 can be read, the layout is wrong rather than the record, and the first fault is raised.
    """

    turns_field: str | None = None  # field with the list of turns, for layouts that have one

    @abstractmethod
    def conversations(self, record: Record, place: str) -> Iterator[list[Message]]:
        """Yield the turns of each conversation in a record; `place` begins error messages."""

    def read(self) -> Iterator[Conversation]:
        waiting: list[tuple[str, UnreadableRecordError]] | None = []  # unreadable ones, until one is read
        for place, record in self.read_records(self.turns_field):
            try:
                read = [*self._read(record, place)]
            except UnreadableRecordError as fault:
                if waiting is None:
                    yield _unreadable(place, fault)
                else:
                    waiting.append((place, fault))
                    if len(waiting) == HEAD:
                        break
                continue
            for unreadable in waiting or ():
                yield _unreadable(*unreadable)
            waiting = None
            yield from read
        if waiting:
            raise waiting[0][1]

    def _read(self, record: Record, place: str) -> Iterator[Conversation]:
        task, group = self.task(record, place), self.group(record, place)
        tools = self._tools(record, place)
        left_out = is_left_out(record)
        for turns in self.conversations(record, place):
            if left_out:
                turns = [replace(turn, supervised=False) for turn in turns]
            masked = sum(not turn.supervised for turn in turns)
            if masked:
                self.counts["answers are marked as not to be learned, and are context only"] += masked
            yield Conversation(tuple(turns), task=task, group=group, place=place, tools=tools)

    def _tools(self, record: Record, place: str) -> tuple[dict, ...]:
        if self.tools_field is None:
            return ()
        value = optional_field(record, self.tools_field)
        return parse_tools(value, f"{place}: field {self.tools_field!r}")


def _unreadable(place: str, fault: UnreadableRecordError) -> Conversation:
    return Conversation((), place=place, fault=str(fault).removeprefix(place))


def _label(record: dict, field: str | None, place: str) -> str:
    value = None if field is None else field_of(record, field, place)
    return "" if is_missing(value) else str(value)

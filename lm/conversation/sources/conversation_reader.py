"""What all readers of conversations share, whatever the layout of the records."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator

from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources.conversation_source import ConversationSource
from lm.conversation.sources.record_source import FileRecords, Hub
from lm.conversation.sources.records import field_of
from lm.files import hash_json


class ConversationFiles(ConversationSource):
    """Conversations from records of files, or of a data set of the hub.

    `path` is a file or a pattern, or several; .gz, .zst, .tar and .zip are unpacked. With a `hub` it is an id of the
    Hugging Face hub, or a folder like one. `task_field` names a field that tells validation what kind of question it
    is, `group_field` one whose equals are held out together, as where several questions are asked about one text.
    Halves of characters (lone surrogates, which JSON can spell) become � and are counted in the notes. `columns`
    names the fields of CSV and TSV without a header, in which quotes mean nothing unless `quoted`.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        task_field: str | None,
        group_field: str | None = None,
        columns: list[str] | None = None,
        quoted: bool = True,
        hub: Hub | None = None,
    ):
        self.records = FileRecords(path, columns=columns, quoted=quoted) if hub is None else hub.records(path)
        self.task_field, self.group_field = task_field, group_field
        self.counts: Counter[str] = Counter()  # what this reading had to change or leave out

    @abstractmethod
    def read(self) -> Iterator[Conversation]:
        """Each conversation as it was said."""

    @abstractmethod
    def options(self) -> dict:
        """What besides the records decides on the conversations."""

    def fingerprint(self) -> str:
        grouped = [] if self.group_field is None else [{"group": self.group_field}]
        return hash_json([type(self).__name__, self.options(), self.task_field, *grouped, *self.records.identity()])

    def __iter__(self) -> Iterator[Conversation]:
        self.counts.clear()
        for one in self.read():
            messages = tuple(self._whole(message) for message in one.messages)
            yield Conversation(messages, task=one.task, group=one.group, place=one.place)
        self.notes = tuple(f"{count} {what}" for what, count in self.counts.items())

    def task(self, record: dict, place: str) -> str:
        """What kind of question a record is."""
        return "" if self.task_field is None else str(field_of(record, self.task_field, place))

    def group(self, record: dict, place: str) -> str:
        """What is held out together with a record; empty where it stands for itself."""
        return "" if self.group_field is None else str(field_of(record, self.group_field, place))

    def _whole(self, message: Message) -> Message:
        if not isinstance(message.content, str):
            return message  # refused by the template, with its place
        text = message.content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if text == message.content:
            return message
        self.counts["turns had halves of characters (lone surrogates), which became �"] += 1
        return Message(message.role, text)


class RecordFiles(ConversationFiles):
    """Records each of which becomes one conversation or several."""

    @abstractmethod
    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        """The turns of each conversation in a record."""

    def read(self) -> Iterator[Conversation]:
        for place, record in self.records:
            task, group = self.task(record, place), self.group(record, place)
            for turns in self.conversations(record, place):
                yield Conversation(tuple(turns), task=task, group=group, place=place)

"""Conversations in whichever of the usual layouts a file has, told by its first record."""

from collections.abc import Iterator

from lm.conversation.conversation import Conversation
from lm.conversation.sources.alternating import AlternatingFiles
from lm.conversation.sources.conversation_files import MessageFiles
from lm.conversation.sources.conversation_source import ConversationSource
from lm.conversation.sources.message_trees import MessageTrees
from lm.conversation.sources.question_files import QuestionFiles
from lm.conversation.sources.record_source import FileRecords, Hub
from lm.conversation.sources.transcripts import TranscriptFiles

PAIRS = [  # what a question, what is given with it, and its answer are called
    ("instruction", "input", "output"),
    ("instruction", "context", "response"),
    ("inputs_pretokenized", None, "targets_pretokenized"),
    ("inputs", None, "targets"),
    ("prompt", None, "completion"),
    ("prompt", None, "response"),
    ("prompt", None, "chosen"),
    ("question", None, "answer"),
    ("question", None, "response_j"),
]
SHAREGPT = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"


class DetectedFiles(ConversationSource):
    """Files in the layout that the first record of the first file has; its fields are said in the notes.

    A later record without these fields ends the reading with its place.
    """

    def __init__(self, path: str | list[str], *, task_field: str | None = None, hub: Hub | None = None):
        records = FileRecords(path) if hub is None else hub.records(path)
        place, record = next(iter(records), (str(path), {}))
        found = _layout(record)
        if found is None:
            raise ValueError(
                f"{place} is of no layout that is known (it has {', '.join(map(repr, record)) or 'no fields'}): name "
                "its fields with data/conversations=completions or messages, as data.conversations.question_field=…"
            )
        layout, options, self._told = found
        self.source: ConversationSource = layout(path, **options, task_field=task_field, hub=hub)

    def __iter__(self) -> Iterator[Conversation]:
        yield from self.source
        self.notes = (self._told, *self.source.notes)

    def fingerprint(self) -> str:
        return self.source.fingerprint()


def _layout(record: dict) -> tuple[type, dict, str] | None:
    """The class for records like this one, its options, and what it was taken for."""
    turns = record.get("conversations")
    if isinstance(record.get("messages"), list):
        return MessageFiles, {}, "read as messages"
    if isinstance(turns, list) and turns and isinstance(turns[0], str):
        return AlternatingFiles, {}, "read as texts in turn"
    if isinstance(turns, list):
        names = {"messages_field": "conversations", "role_field": "from", "content_field": "value"}
        return MessageFiles, {**names, "system_field": "system", "roles": SHAREGPT}, "read as sharegpt"
    if "message_id" in record and "parent_id" in record:
        return MessageTrees, {"roles": {"prompter": "user"}}, "read as trees of messages"
    if "instruction" in record and "instances" in record:
        return QuestionFiles, {"instances_field": "instances"}, "read as self_instruct"
    for question, given, answer in PAIRS:
        if question in record and answer in record:
            fields = {"question_field": question, "input_field": given, "answer_field": answer}
            return QuestionFiles, fields, f"read as {question} and {answer}"
    if str(record.get("chosen", "")).startswith((HUMAN, ASSISTANT)):
        spoken = {"text_field": "chosen", "user": HUMAN, "assistant": ASSISTANT}
        return TranscriptFiles, spoken, "read as transcripts under chosen"
    return None

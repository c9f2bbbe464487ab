"""Conversations in whichever of the usual layouts a file has, told by its first record."""

from collections.abc import Iterator

from lm.conversation import Conversation
from lm.corpus.members import find_files
from lm.data.conversation_files import MessageFiles, QuestionFiles
from lm.data.conversation_source import ConversationSource
from lm.data.records import read_records

PAIRS = [  # what a question, what is given with it, and its answer are called
    ("instruction", "input", "output"),
    ("instruction", "context", "response"),
    ("prompt", None, "completion"),
    ("prompt", None, "response"),
    ("question", None, "answer"),
]


class DetectedFiles(ConversationSource):
    """Files in the layout that the first record of the first file has; its fields are said in the notes.

    A later record without these fields ends the reading with its place.
    """

    def __init__(self, path: str | list[str], *, task_field: str | None = None):
        files = find_files(path, key="data.conversations.path")
        place, record = next(read_records(files[0]), (str(files[0]), {}))
        found = _layout(path, record, task_field)
        if found is None:
            raise ValueError(
                f"{place} is of no layout that is known (it has {', '.join(map(repr, record)) or 'no fields'}): name "
                "its fields with data/conversations=completions or messages, as data.conversations.question_field=…"
            )
        self.source, self._told = found

    def __iter__(self) -> Iterator[Conversation]:
        yield from self.source
        self.notes = (self._told, *self.source.notes)

    def fingerprint(self) -> str:
        return self.source.fingerprint()


def _layout(path: str | list[str], record: dict, task_field: str | None) -> tuple[ConversationSource, str] | None:
    """A source for records like this one, and what it was taken for."""
    if isinstance(record.get("messages"), list):
        return MessageFiles(path, task_field=task_field), "read as messages"
    if isinstance(record.get("conversations"), list):
        names = {"messages_field": "conversations", "role_field": "from", "content_field": "value"}
        roles = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}
        return (
            MessageFiles(path, **names, system_field="system", roles=roles, task_field=task_field),
            "read as sharegpt",
        )
    if "instruction" in record and "instances" in record:
        return QuestionFiles(path, instances_field="instances", task_field=task_field), "read as self_instruct"
    for question, given, answer in PAIRS:
        if question in record and answer in record:
            fields = {"question_field": question, "input_field": given, "answer_field": answer}
            return QuestionFiles(path, **fields, task_field=task_field), f"read as {question} and {answer}"
    return None

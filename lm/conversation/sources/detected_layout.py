"""Conversations in whichever common layout the first record has."""

from collections.abc import Iterator

from lm.conversation.conversation import Conversation
from lm.conversation.sources.message_lists import AlternatingTexts, MessageLists
from lm.conversation.sources.message_trees import MessageTrees
from lm.conversation.sources.question_answers import QuestionAnswers
from lm.conversation.sources.records import FileRecords, HubDataset
from lm.conversation.sources.source import ConversationSource
from lm.conversation.sources.transcripts import Transcripts

PAIRS = [  # common fields of a question, its input and its answer
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


class DetectedLayout(ConversationSource):
    """Files in the layout of their first record; the notes report which. A later record of another layout is refused.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(self, path: str | list[str], *, task_field: str | None = None, hub: HubDataset | None = None):
        records = FileRecords(path) if hub is None else hub.records(path)
        place, record = next(iter(records), (str(path), {}))
        layout = _layout(record)
        if layout is None:
            raise ValueError(
                f"{place} has no known layout (its fields: {', '.join(map(repr, record)) or 'none'}): choose "
                "data/conversations=completions or messages and name its fields, as data.conversations.question_field=…"
            )
        reader, options, self._note = layout
        self.source: ConversationSource = reader(path, **options, task_field=task_field, hub=hub)

    def __iter__(self) -> Iterator[Conversation]:
        yield from self.source
        self.notes = (self._note, *self.source.notes)

    def fingerprint(self) -> str:
        return self.source.fingerprint()


def _layout(record: dict) -> tuple[type, dict, str] | None:
    """The class that reads records like this one, its options, and a note; None for an unknown layout."""
    turns = record.get("conversations")
    if isinstance(record.get("messages"), list):
        return MessageLists, {}, "read as messages"
    if isinstance(turns, list) and turns and isinstance(turns[0], str):
        return AlternatingTexts, {}, "read as alternating texts"
    if isinstance(turns, list):
        names = {"messages_field": "conversations", "role_field": "from", "content_field": "value"}
        return MessageLists, {**names, "system_field": "system", "roles": SHAREGPT}, "read as sharegpt"
    if "message_id" in record and "parent_id" in record:
        return MessageTrees, {"roles": {"prompter": "user"}}, "read as message trees"
    if "instruction" in record and "instances" in record:
        return QuestionAnswers, {"instances_field": "instances"}, "read as self_instruct"
    for question, extra, answer in PAIRS:
        if question in record and answer in record:
            fields = {"question_field": question, "input_field": extra, "answer_field": answer}
            return QuestionAnswers, fields, f"read as {question} and {answer}"
    if str(record.get("chosen", "")).startswith((HUMAN, ASSISTANT)):
        fields = {"text_field": "chosen", "user": HUMAN, "assistant": ASSISTANT}
        return Transcripts, fields, "read as transcripts under chosen"
    return None

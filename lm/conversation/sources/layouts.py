"""The common layouts of instruction data, recognised by the fields of a record."""

import inspect
from typing import Any, NamedTuple

from lm.conversation.sources.message_lists import AlternatingTexts, MessageLists
from lm.conversation.sources.message_parts import parse_list
from lm.conversation.sources.message_trees import MessageTrees
from lm.conversation.sources.preferences import better_texts
from lm.conversation.sources.question_answers import QuestionAnswers
from lm.conversation.sources.record import is_empty
from lm.conversation.sources.source import LayoutSource
from lm.conversation.sources.transcripts import Transcripts

LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat")
SPEAKERS, CONTENTS = ("role", "from", "speaker"), ("content", "value", "text")
PAIRS = [  # common fields of a question, its input and its answer
    ("instruction", "input", "output"),
    ("instruction", "context", "response"),
    ("inputs_pretokenized", None, "targets_pretokenized"),
    ("inputs", None, "targets"),
    ("prompt", None, "completion"),
    ("prompt", None, "response"),
    ("question", None, "answer"),
    ("question", None, "response"),
    ("question", None, "response_j"),
    ("query", None, "response"),
    ("instruction", "input", "response"),
    ("input", None, "output"),
]
QUESTIONS = ("prompt", "question", "instruction")
NEEDED = ("messages_field", "turns_field", "question_field", "text_field", "id_field")  # options of the readers
SHAREGPT = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"


class Layout(NamedTuple):
    """How records are read.

    Args:
        reader: The source that reads them.
        options: Its options.
        note: What it is, as "read as messages".
    """

    reader: type[LayoutSource]
    options: dict[str, Any]
    note: str

    @property
    def needed(self) -> set[str]:
        """The fields without which a record has another layout or is incomplete."""
        defaults = {name: each.default for name, each in inspect.signature(self.reader).parameters.items()}
        options = defaults | self.options
        return {options[name] for name in NEEDED if isinstance(options.get(name), str)}


def find_layout(record: dict[str, Any]) -> Layout | None:
    """Return the layout of a record; None for an unknown one."""
    return _turns(record) or _tree(record) or _question(record) or _transcript(record)


def _turns(record: dict[str, Any]) -> Layout | None:
    for field in LISTS:
        turns = parse_list(record.get(field))
        if not turns:
            continue
        first = turns[0]
        if isinstance(first, str):
            options = {} if field == "conversations" else {"turns_field": field}
            return Layout(AlternatingTexts, options, "read as alternating texts")
        if not isinstance(first, dict):
            continue
        speaker = next((name for name in SPEAKERS if name in first), "role")
        content = next((name for name in CONTENTS if name in first), "content")
        options = {"messages_field": field, "role_field": speaker, "content_field": content}
        if speaker == "from":
            options |= {"roles": SHAREGPT}
        named = {("messages", "role"): "messages", ("conversations", "from"): "sharegpt"}.get((field, speaker))
        note = named or f"messages of {field} with {speaker} and {content}"
        return Layout(MessageLists, options | _record_options(record), f"read as {note}")
    return None


def _tree(record: dict[str, Any]) -> Layout | None:
    if "message_id" in record and "parent_id" in record:
        return Layout(MessageTrees, {"roles": {"prompter": "user"}}, "read as message trees")
    return None


def _question(record: dict[str, Any]) -> Layout | None:
    if "instruction" in record and "instances" in record:
        return Layout(QuestionAnswers, {"instances_field": "instances"}, "read as self_instruct")
    names = {name.strip().lower(): name for name in record}  # a table may write Question
    pairs = [pair for pair in PAIRS if pair[0] in names and pair[2] in names]
    extra = "input" if isinstance(record.get(names.get("input")), str) else None
    pairs += [
        (question, extra, answer) for question in QUESTIONS if question in names for answer in better_texts(record)
    ]
    if not pairs:
        return None
    question, extra, answer = (name and names.get(name, name) for name in pairs[0])
    fields = {"question_field": question, "input_field": extra, "answer_field": answer}
    return Layout(QuestionAnswers, fields | _record_options(record), f"read as {question} and {answer}")


def _transcript(record: dict[str, Any]) -> Layout | None:
    for field, value in record.items():
        if isinstance(value, str) and value.startswith((HUMAN, ASSISTANT)):
            options = {"text_field": field, "user": HUMAN, "assistant": ASSISTANT}
            return Layout(Transcripts, options, f"read as transcripts under {field}")
    return None


def _record_options(record: dict[str, Any]) -> dict[str, Any]:
    """Fields with a system text and with tools, where the record has them under another name."""
    options = {}
    if is_empty(record.get("system")) and not is_empty(record.get("system_prompt")):
        options["system_field"] = "system_prompt"
    if is_empty(record.get("tools")) and isinstance(record.get("functions"), list | str):
        options["tools_field"] = "functions"
    return options

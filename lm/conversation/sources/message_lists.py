"""Conversations as lists of messages (OpenAI, ShareGPT) or of plain texts (LIMA).

A faulty record ends the reading with its file and line: data that silently lacks answers is worse than none.
"""

import json
from collections.abc import Iterator
from typing import Literal

from lm.conversation.conversation import Message
from lm.conversation.sources.records import HubDataset, field_of, kind_of
from lm.conversation.sources.source import RecordwiseSource, known_roles


class MessageLists(RecordwiseSource):
    """Records with a list of messages: `{"messages": [{"role": …, "content": …}, …]}`.

    Content given in parts is joined if all parts are text, reasoning or tool calls. The tool calls of a turn follow
    its text, each as a line of JSON with name and arguments.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        messages_field: Field that holds the list of messages.
        role_field: Field of a message that names the speaker.
        content_field: Field of a message that holds what is said.
        system_field: Field of the record with a system text, where not empty; null for none.
        roles: What the file calls the roles, {human: user}; system, user, assistant and tool are known.
        reasoning: Parts of type reasoning: refuse the record, drop them, or keep them before the answer, followed
            by an empty line.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together; null holds out each conversation separately.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        messages_field: str = "messages",
        role_field: str = "role",
        content_field: str = "content",
        system_field: str | None = None,
        roles: dict[str, str] | None = None,
        reasoning: Literal["refuse", "drop", "keep"] = "refuse",
        task_field: str | None = None,
        group_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        super().__init__(path, task_field=task_field, group_field=group_field, hub=hub)
        self.messages_field, self.role_field, self.content_field = messages_field, role_field, content_field
        self.system_field, self.reasoning = system_field, reasoning
        self.roles = known_roles(roles)

    def options(self) -> dict:
        fields = [self.messages_field, self.role_field, self.content_field, self.system_field]
        return {"fields": fields, "roles": self.roles} | (
            {"reasoning": self.reasoning} if self.reasoning != "refuse" else {}
        )

    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        turns = field_of(record, self.messages_field, place)
        if not isinstance(turns, list):
            raise ValueError(f"{place}: field {self.messages_field!r} is {kind_of(turns)}, not a list of turns")
        messages = []
        if self.system_field is not None and record.get(self.system_field):
            messages.append(Message("system", record[self.system_field]))
        for number, turn in enumerate(turns, start=1):
            messages.append(self._message(turn, f"{place}, turn {number}"))
        yield messages

    def _message(self, turn: object, where: str) -> Message:
        if not isinstance(turn, dict):
            raise ValueError(f"{where} is {kind_of(turn)}, not an object with a role and a content")
        role = field_of(turn, self.role_field, where)
        if not isinstance(role, str) or role not in self.roles:
            raise ValueError(
                f"{where}: role {role!r} is unknown: name its role, as "
                f"+data.conversations.roles.{role}=user, or remove the conversation"
            )
        calls = turn.get("tool_calls")
        content = turn.get(self.content_field) if calls else field_of(turn, self.content_field, where)
        if isinstance(content, list):
            content = self._joined(content, where)
        if calls and (content is None or isinstance(content, str)):
            content = "\n".join([*filter(None, [content]), *_tool_calls(calls, where)])
        for key in ("weight", "loss_weight"):
            if self.roles[role] == "assistant" and turn.get(key) not in (None, 1):
                raise ValueError(
                    f"{where}: {key} {turn[key]!r} asks for a lower loss weight, but all answers have the same: "
                    "remove the conversation from here on, or the field"
                )
        return Message(self.roles[role], content)

    def _joined(self, parts: list, where: str) -> str:
        """Join parts: reasoning, then text, then tool calls."""
        reasoning, texts, calls = [], [], []
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "tool_call":
                calls += _tool_calls(_json(part.get("value"), where), where)
            elif kind == "reasoning" and self.reasoning != "refuse":
                reasoning.append(_text({**part, "type": "text"}, where))
            else:
                texts.append(_text(part, where))
        if reasoning and self.reasoning == "drop":
            self.counts["turns lost their reasoning"] += 1
            reasoning = []
        return "\n\n".join([*reasoning, *filter(None, ["\n".join(filter(None, ["".join(texts), *calls]))])])


class AlternatingTexts(RecordwiseSource):
    """Records with a list of texts, user and assistant in turn: `{"conversations": ["hi", "hello", …]}`.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        turns_field: Field that holds the list; its first text is the user's.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        turns_field: str = "conversations",
        task_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        super().__init__(path, task_field=task_field, hub=hub)
        self.turns_field = turns_field

    def options(self) -> dict:
        return {"field": self.turns_field}

    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        texts = field_of(record, self.turns_field, place)
        if not isinstance(texts, list):
            raise ValueError(f"{place}: field {self.turns_field!r} is {kind_of(texts)}, not a list of texts")
        yield [Message(("user", "assistant")[number % 2], text) for number, text in enumerate(texts)]


def _tool_calls(calls: object, where: str) -> list[str]:
    """A line of JSON for each tool call, with its name and arguments; ids are left out."""
    lines = []
    for call in calls if isinstance(calls, list) else [calls]:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError(f"{where}: a call in its tool_calls has no name: give name and arguments, or remove it")
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                raise ValueError(f"{where}: the arguments of its call of {function['name']} are not JSON") from None
        lines.append(json.dumps({"name": function["name"], "arguments": arguments}, ensure_ascii=False))
    return lines


def _json(value: object, where: str) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{where}: a tool call among its parts is not JSON: repair it, or remove it") from None


def _text(part: object, where: str) -> str:
    """The text of one part of a turn's content."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type") == "text":
        text = part.get("text", part.get("value"))
        if isinstance(text, str):
            return text
    kind = part.get("type") if isinstance(part, dict) else kind_of(part)
    remedy = "set data.conversations.reasoning=drop or keep" if kind == "reasoning" else "remove it"
    raise ValueError(f"{where}: a part of its content is {kind!r}, and only text can be read: {remedy}")

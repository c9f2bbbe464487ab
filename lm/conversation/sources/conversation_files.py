"""Conversations from JSON, JSON Lines and tables, in the layouts that people share them in.

Whatever is wrong with a record ends the reading with its file and line: data that silently lacks answers is
worse than none.
"""

import json
from collections.abc import Iterator
from typing import Literal

from lm.conversation.conversation import ROLES, Message
from lm.conversation.sources.conversation_reader import RecordFiles
from lm.conversation.sources.record_source import Hub
from lm.conversation.sources.records import field_of, kind_of


class MessageFiles(RecordFiles):
    """Lists of turns: `{"messages": [{"role": …, "content": …}, …]}`, or as ShareGPT names these fields.

    `roles` says what a file calls the roles, where it does not call them system, user and assistant: `{human:
    user}`. Content given in parts is joined if all of them are text, or calls of tools. The calls of a turn follow its
    words, each as a line of JSON with name and arguments. Parts of type reasoning are refused, left out (`drop`), or
    open the answer, an empty line before what follows (`keep`).
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
        hub: Hub | None = None,
    ):
        super().__init__(path, task_field=task_field, group_field=group_field, hub=hub)
        self.messages_field, self.role_field, self.content_field = messages_field, role_field, content_field
        self.system_field, self.reasoning = system_field, reasoning
        self.roles = {role: role for role in ROLES} | (roles or {})
        if strange := sorted(set(self.roles.values()) - set(ROLES)):
            raise ValueError(f"data.conversations.roles: {strange[0]!r} is none of {', '.join(ROLES)}")

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
                f"{where}: role {role!r} is not known: say who speaks, as "
                f"+data.conversations.roles.{role}=user, or leave the conversation out"
            )
        calls = turn.get("tool_calls")
        content = turn.get(self.content_field) if calls else field_of(turn, self.content_field, where)
        if isinstance(content, list):
            content = self._joined(content, where)
        if calls and (content is None or isinstance(content, str)):
            content = "\n".join([*filter(None, [content]), *_calls(calls, where)])
        for key in ("weight", "loss_weight"):
            if self.roles[role] == "assistant" and turn.get(key) not in (None, 1):
                raise ValueError(
                    f"{where}: {key} {turn[key]!r} asks that this answer count less, but every answer counts "
                    "the same: leave out the conversation from here on, or the field"
                )
        return Message(self.roles[role], content)

    def _joined(self, parts: list, where: str) -> str:
        """Reasoning, then words, then calls."""
        thoughts, words, calls = [], [], []
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "tool_call":
                calls += _calls(_json(part.get("value"), where), where)
            elif kind == "reasoning" and self.reasoning != "refuse":
                thoughts.append(_part({**part, "type": "text"}, where))
            else:
                words.append(_part(part, where))
        if thoughts and self.reasoning == "drop":
            self.counts["turns were learned without their reasoning"] += 1
            thoughts = []
        return "\n\n".join([*thoughts, *filter(None, ["\n".join(filter(None, ["".join(words), *calls]))])])


def _calls(calls: object, where: str) -> list[str]:
    """A line of JSON for each call of a tool, with its name and arguments; ids are left out."""
    told = []
    for call in calls if isinstance(calls, list) else [calls]:
        named = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(named, dict) or not isinstance(named.get("name"), str):
            raise ValueError(f"{where}: a call in its tool_calls has no name: give name and arguments, or leave it out")
        arguments = named.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                raise ValueError(f"{where}: the arguments of its call of {named['name']} are not JSON") from None
        told.append(json.dumps({"name": named["name"], "arguments": arguments}, ensure_ascii=False))
    return told


def _json(value: object, where: str) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{where}: a call of a tool among its parts is not JSON: mend it, or leave it out") from None


def _part(part: object, where: str) -> str:
    """The text of one of the parts of a turn's content."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type") == "text":
        text = part.get("text", part.get("value"))
        if isinstance(text, str):
            return text
    kind = part.get("type") if isinstance(part, dict) else kind_of(part)
    remedy = "set data.conversations.reasoning=drop or keep" if kind == "reasoning" else "leave it out"
    raise ValueError(f"{where}: a part of its content is {kind!r}, and only text can be read: {remedy}")

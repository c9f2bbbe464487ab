"""Read lists of turns, contents given in parts, tool calls and system texts, however files write them."""

import json

from lm.conversation.conversation import Message, UnreadableRecordError
from lm.conversation.sources.reasoning import THOUGHT_PARTS
from lm.conversation.sources.record import Record, is_empty
from lm.conversation.sources.records import field_of, kind_of


def turns_of(record: Record, field: str, place: str, name: str) -> list:
    """Return a field that holds a list, or a list as JSON, as in the cells of a table.

    Args:
        record: The record.
        field: The field.
        place: Place of the record, which begins error messages.
        name: What the list holds, in the plural, for messages.
    """
    value = field_of(record, field, place)
    turns = parse_list(value)
    if turns is None:
        raise UnreadableRecordError(f"{place}: field {field!r} is {kind_of(value)}, not a list of {name}")
    return turns


def parse_list(value: object) -> list | None:
    """Return a list, or one that is written as JSON; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, list) else None


def with_system(text: object, messages: list[Message]) -> list[Message]:
    """Return the messages with the system text of their record as the first turn, or before the one they begin with."""
    if is_empty(text):
        return messages
    if not messages or messages[0].role != "system":
        return [Message("system", text), *messages]
    own = messages[0].content
    if own == text:
        return messages
    joined = f"{text}\n\n{own}" if isinstance(text, str) and isinstance(own, str) else own
    return [Message("system", joined), *messages[1:]]


def join_parts(parts: list, where: str) -> tuple[str, str, list[str]]:
    """Return the thoughts, the text and the tool calls of a content given in parts."""
    thoughts, texts, calls = [], [], []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "tool_call":
            calls += _lines(_json(part.get("value"), where), where)
        elif kind in THOUGHT_PARTS:
            thoughts.append(_text({"text": part.get(kind), **part, "type": "text"}, where))
        else:
            texts.append(_text(part, where))
    return "\n\n".join(thoughts), "".join(texts), calls


def tool_calls(turn: Record, where: str) -> list[str]:
    """Return a line of JSON for each call in `tool_calls` or `function_call` of a turn."""
    lines = []
    for field in ("tool_calls", "function_call"):
        value = turn.get(field)
        if not is_empty(value):
            lines += _lines(_json(value, where), where)
    return lines


def _lines(calls: object, where: str) -> list[str]:
    """A line of JSON for each tool call, with its name and arguments; ids are left out."""
    lines = []
    for call in calls if isinstance(calls, list) else [calls]:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise UnreadableRecordError(
                f"{where}: a call in its tool_calls has no name: give name and arguments, or remove it"
            )
        arguments = function.get("arguments", {})
        if isinstance(arguments, str) and arguments.strip():
            try:
                arguments = json.loads(arguments)
            except ValueError:
                raise UnreadableRecordError(
                    f"{where}: the arguments of its call of {function['name']} are not JSON"
                ) from None
        lines.append(json.dumps({"name": function["name"], "arguments": arguments or {}}, ensure_ascii=False))
    return lines


def _json(value: object, where: str) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise UnreadableRecordError(f"{where}: a tool call of it is not JSON: repair it, or remove it") from None


def _text(part: object, where: str) -> str:
    """The text of one part of a turn's content."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type", "text") == "text":
        text = part.get("value") if part.get("text") is None else part["text"]
        if isinstance(text, str):
            return text
    kind = part.get("type") if isinstance(part, dict) else kind_of(part)
    raise UnreadableRecordError(f"{where}: a part of its content is {kind!r}, and only text can be read: remove it")

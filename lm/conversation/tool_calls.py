"""Tool calls: lines of JSON in the content of a turn, and `tool_calls` for a chat_template that reads them."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lm.conversation.conversation import Message, end_of_content

PROBE = {"name": "probe_name", "arguments": {"probe_key": "probe_value"}}
CALL = json.dumps(PROBE)  # a line of a content


@dataclass(frozen=True)
class CallForm:
    """How a chat_template takes tool calls; templates are written for one form or another.

    Args:
        arguments_as_text: Whether arguments are JSON text, as in OpenAI's API, rather than an object.
        content_as_none: Whether the content of a turn without words is None rather than "".
    """

    arguments_as_text: bool
    content_as_none: bool

    def turns(self, messages: Sequence[Message]) -> list[dict]:
        """Return turns as `messages` of a chat_template; the results of calls have their ids and names, in order."""
        turns, made, due = [], 0, iter(())
        for message in messages:
            turn: dict[str, Any] = {"role": message.role, "content": message.words}
            if calls := calls_of(message):
                turn["content"] = message.words or (None if self.content_as_none else "")
                turn["tool_calls"] = [self._call(call, made + n) for n, call in enumerate(calls, start=1)]
                made += len(calls)
                due = iter(turn["tool_calls"])
            if message.role == "tool" and (call := next(due, None)):
                turn |= {"name": call["function"]["name"], "tool_call_id": call["id"]}
            turns.append(turn)
        return turns

    def _call(self, call: dict, number: int) -> dict:
        arguments = call["arguments"]
        if self.arguments_as_text:
            arguments = json.dumps(arguments, ensure_ascii=False)
        function = {"name": call["name"], "arguments": arguments}
        return {"type": "function", "id": f"call{number:05}", "function": function}  # 9 characters, as Mistral demands


FORMS = [CallForm(text, none) for text in (False, True) for none in (False, True)]  # the one of transformers first


def form_of(render: Callable[[list[dict]], str], *, faults: tuple[type[Exception], ...]) -> CallForm | None:
    """Return the form in which a template writes a tool call once and as JSON; None if it writes none.

    Args:
        render: Renders turns.
        faults: What it may raise.
    """
    asked = [Message("user", "probe"), Message("assistant", CALL, calls=(CALL,))]
    arguments = PROBE["arguments"]
    for form in FORMS:
        try:
            text, nones = render(form.turns(asked)), render(form.turns(asked[:1])).count("None")
        except faults:
            continue
        misread = repr(arguments) in text or json.dumps(json.dumps(arguments)) in text or text.count("None") > nones
        if not misread and all(part in text for part in said_in_calls([PROBE])):
            return form
    return None


def calls_of(message: Message) -> list[dict]:
    """Return the tool calls of a turn, each as `{"name": …, "arguments": {…}}`."""
    return [call for line in message.calls for call in parsed_calls(line)]


def parsed_calls(line: str) -> list[dict]:
    """Return the tool calls in JSON: one, or a list; none if it is anything else."""
    try:
        value = json.loads(line)
    except ValueError:
        return []
    calls = []
    for call in value if isinstance(value, list) else [value]:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return []
        arguments = function.get("arguments", function.get("parameters"))
        if isinstance(arguments, str) and arguments.strip():
            try:
                arguments = json.loads(arguments)
            except ValueError:
                return []
        calls.append({"name": function["name"], "arguments": arguments or {}})
    return calls


def unsaid(message: Message, text: str) -> str | None:
    """Return the first part of a turn with tool calls, its thoughts too, that a text does not say; None if it says all.

    Texts in arguments may be spelled as they are or as JSON.
    """
    alone = replace(message, content=message.words, calls=())
    for part in [*alone.thoughts, alone.spoken, *said_in_calls(calls_of(message))]:
        if part not in text and json.dumps(part, ensure_ascii=False)[1:-1] not in text:
            return part
    return None


def end_of_turn(message: Message, text: str, at: int, *, normalize: Callable[[str], str] = str) -> int:
    """Where a turn ends in a text, from `at` on, its tool calls in whatever form; -1 if it is not there."""
    end = end_of_content(message, text, at, normalize=normalize)
    if end >= 0 or not message.calls:
        return end
    ends = [at]
    for part in [replace(message, content=message.words, calls=()).spoken, *said_in_calls(calls_of(message))]:
        spellings = map(normalize, (part, json.dumps(part, ensure_ascii=False)[1:-1]))
        found = [place + len(spelled) for spelled in spellings if (place := text.find(spelled, at)) >= 0]
        ends.append(min(found, default=-1))
    return max(ends) if min(ends) >= 0 else -1


def said_in_calls(calls: Iterable[dict]) -> list[str]:
    """Return what tool calls say: names, and keys and values of their arguments."""
    return [part for call in calls for part in [call["name"], *_leaves(call["arguments"])]]


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield json.dumps(value)


def neutral_call(line: str, filler: str) -> str:
    """Return a call with `filler` for every key and text in its arguments."""
    calls = [{"name": call["name"], "arguments": _filled(call["arguments"], filler)} for call in parsed_calls(line)]
    return json.dumps(calls, ensure_ascii=False)


def _filled(value: object, filler: str) -> object:
    if isinstance(value, dict):
        return {f"{filler}{n}": _filled(item, filler) for n, item in enumerate(value.values())}
    if isinstance(value, list):
        return [_filled(item, filler) for item in value]
    return filler if isinstance(value, str) else value

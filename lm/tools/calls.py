"""Find the calls of tools in what a model says."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lm.conversation import Message

TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
LISTED = re.compile(r"\[TOOL_CALLS\]\s*(.*)\Z", re.DOTALL)
BEGINS = re.compile(r'\{\s*"(?:name|function|type)"\s*:')


@dataclass(frozen=True)
class Call:
    """A call of a tool.

    Args:
        name: Name of the tool; "" for a call that cannot be read.
        arguments: Values by parameter.
        fault: Why the call cannot be read; "" for one that can.
    """

    name: str
    arguments: dict[str, Any]
    fault: str = ""


def calls_in(text: str) -> list[Call]:
    """Return the calls with which an answer ends, after its thoughts.

    Reads a line of JSON for each call, as this project writes calls in conversations:
    `{"name": "calculator", "arguments": {"expression": "6 * 7"}}`, also with `parameters` as Llama 3.1 writes it, with
    `function` around it, `<tool_call>…</tool_call>` (Hermes, Qwen) and `[TOOL_CALLS] […]` (Mistral). Text after the
    last line of JSON makes it text, not a call. What begins as a call and is not JSON is a call with a fault.
    """
    return split_calls(text)[1]


def split_calls(text: str) -> tuple[str, list[Call]]:
    """Return what an answer says before the calls with which it ends, and these; all of it where it calls nothing."""
    spoken = Message("assistant", text).spoken
    start, calls = _found(spoken)
    if not calls:
        return text, []
    thoughts = text.rstrip()[: len(text.rstrip()) - len(spoken)]
    return (thoughts + spoken[:start]).rstrip(), calls


def _found(spoken: str) -> tuple[int, list[Call]]:
    """Where the calls begin in the words of an answer, and the calls."""
    tagged = [*TAGGED.finditer(spoken)]
    if tagged:
        return tagged[0].start(), [call for each in tagged for call in _read(each[1])]
    if listed := LISTED.search(spoken):
        return listed.start(), _read(listed[1])
    if spoken.startswith(("{", "[{")) and (whole := _parsed(spoken)) is not None:
        return 0, [*_calls(whole)] if BEGINS.search(spoken[:50]) else []
    lines = spoken.splitlines(keepends=True)
    first = len(lines)
    while first and (BEGINS.match(lines[first - 1].strip()) or not lines[first - 1].strip()):
        first -= 1
    calls = [call for line in lines[first:] if line.strip() for call in _read(line.strip())]
    return len("".join(lines[:first])), calls


def _read(text: str) -> list[Call]:
    value = _parsed(text)
    return [Call("", {}, "the call is not JSON")] if value is None else [*_calls(value)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _calls(value: Any) -> Iterator[Call]:
    for each in value if isinstance(value, list) else [value]:
        function = each.get("function", each) if isinstance(each, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str):
            yield Call("", {}, "the call has no name")
            continue
        arguments = function.get("arguments", function.get("parameters", {}))
        if isinstance(arguments, str):
            arguments = _parsed(arguments) if arguments.strip() else {}
        if isinstance(arguments, dict):
            yield Call(name, arguments)
        else:
            yield Call(name, {}, f"the arguments of {name} are not a JSON object")

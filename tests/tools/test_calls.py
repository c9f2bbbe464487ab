"""Calls of tools are found in what a model says, in every published form, and nothing else is taken for one."""

import json

import pytest

from lm.tools import Call, calls_in

CALL = {"name": "calculator", "arguments": {"expression": "6 * 7"}}
LINE = json.dumps(CALL)
READ = Call("calculator", {"expression": "6 * 7"})


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (LINE, 1),
        (f"Let me see.\n{LINE}", 1),
        (f"{LINE}\n{LINE}\n", 2),
        (f"so\n\n{LINE}\n\n{LINE}", 2),
        (f"<think>{LINE}</think>\n{LINE}", 1),
        (json.dumps(CALL, indent=2), 1),
        (json.dumps([CALL, CALL]), 2),
        (json.dumps({"name": "calculator", "parameters": CALL["arguments"]}), 1),
        (json.dumps({"type": "function", "function": CALL}), 1),
        (json.dumps({"name": "calculator", "arguments": json.dumps(CALL["arguments"])}), 1),
        (f"<tool_call>\n{LINE}\n</tool_call>", 1),
        (f"ok <tool_call>{LINE}</tool_call><tool_call>{LINE}</tool_call> done", 2),
        (f"<tool_call>\n{LINE}", 1),  # the stop token stands for the closing tag
        (f"[TOOL_CALLS] [{LINE}]", 1),
    ],
)
def test_calls_are_read_in_every_form(text, calls):
    assert calls_in(text) == [READ] * calls


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        f"{LINE}\nThe answer is 42.",
        f"The call {LINE} is inline",
        f"<think>{LINE}</think>",
        f"<think>{LINE}</think>42",
        '{"answer": 42}',
        "{}",
        "[1, 2]",
        "{" * 5000,
        "x" * 10_000,
        "9**9**9",
        "<think></think>a",
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_call_at_the_end_is_text(text):
    assert calls_in(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"name": "calculator", "arguments": {"expression": "6', "the call is not JSON"),
        ('so\n{"name": "calculator"', "the call is not JSON"),
        ("<tool_call>calculator(6 * 7)</tool_call>", "the call is not JSON"),
        ('{"name": 3, "arguments": {}}', "the call has no name"),
        ('{"name": "calculator", "arguments": [1]}', "the arguments of calculator are not a JSON object"),
        ('{"name": "calculator", "arguments": "six"}', "the arguments of calculator are not a JSON object"),
        ("[TOOL_CALLS] [3]", "the call has no name"),
        ('{"name": ' + "[" * 5000, "the call is not JSON"),
        ('{"name": "a", "arguments": {"x": ' + "9" * 5000 + "}}", "the call is not JSON"),
    ],
    ids=lambda text: text[:30],
)
def test_what_begins_as_a_call_and_cannot_be_read_says_why(text, fault):
    assert [call.fault for call in calls_in(text)] == [fault]


def test_a_call_without_arguments_has_none():
    assert calls_in('{"name": "calculator"}') == [Call("calculator", {})]

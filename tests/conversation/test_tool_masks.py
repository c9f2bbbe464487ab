"""In data with tools the calls are learned, and neither the tools nor their results."""

from itertools import groupby

import pytest

from lm.conversation import with_tools_as_text
from lm.conversation.mask_validator import MaskValidator
from lm.tools import Call, calls_in
from support.conversation_sources import source, written
from support.talks import template_of, text_of, tokenizer_of

TOOL = {"name": "add", "description": "adds", "parameters": {"type": "object", "properties": {"a": {}}}}
ARGUMENTS = {"a": 1}
CALL = '{"name": "add", "arguments": {"a": 1}}'
OPENAI = {
    "tools": [{"type": "function", "function": TOOL}],
    "messages": [
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "the result"},
        {"role": "assistant", "content": "It is 2."},
    ],
}  # fmt: skip
SHAREGPT = {
    "tools": '[{"name": "add", "description": "adds", "parameters": {"type": "object", "properties": {"a": {}}}}]',
    "conversations": [
        {"from": "human", "value": "1 + 1?"},
        {"from": "function_call", "value": CALL},
        {"from": "observation", "value": "the result"},
        {"from": "gpt", "value": "It is 2."},
    ],
}
RECORDS = {"messages": OPENAI, "sharegpt": SHAREGPT}


@pytest.mark.parametrize("template", ["chatml", "llama3", "roles_with_tools"])
@pytest.mark.parametrize("name", ["ours", "marked", "spaced"])
@pytest.mark.parametrize(
    ("layout", "record"), [("messages", OPENAI), ("sharegpt", SHAREGPT)], ids=["openai", "sharegpt"]
)
def test_calls_and_answers_are_supervised_and_tools_and_results_are_not(layout, record, name, template, tmp_path):
    template, tokenizer = template_of(template), tokenizer_of(name)
    (read,) = source(layout, written(tmp_path / "a.jsonl", record))
    talk = with_tools_as_text(read, template)
    encoded = template.encode(talk, tokenizer)
    MaskValidator(template, tokenizer).check(encoded, talk)
    pairs = groupby(zip(encoded.tokens, encoded.supervised, strict=True), key=lambda pair: pair[1])
    runs = [(learned, text_of([token for token, _ in run], tokenizer)) for learned, run in pairs]
    stop = text_of([template.stop_tokens(tokenizer)[0]], tokenizer)
    assert [text.strip() for learned, text in runs if learned] == [f"{CALL}{stop}", f"It is 2.{stop}"]
    context = "".join(text for learned, text in runs if not learned)
    assert "the result" in context
    assert '"description": "adds"' in context


@pytest.mark.parametrize(
    ("layout", "record"), [("messages", OPENAI), ("sharegpt", SHAREGPT)], ids=["openai", "sharegpt"]
)
def test_calls_in_data_are_those_that_chat_and_rollouts_find(layout, record, tmp_path):
    (read,) = source(layout, written(tmp_path / "a.jsonl", record))
    found = [calls_in(message.content) for message in read.messages if message.role == "assistant"]
    assert found == [[Call("add", ARGUMENTS)], []]

"""Fields that carry meaning are read where people expect it, and any other that is not read is named."""

import inspect
import json

import pytest

from lm.config.target import locate
from lm.conversation import Message
from lm.conversation.sources.unread_fields import OPTIONS
from support.conversation_sources import described, source, turns, written

HELLO = [Message("user", "hi"), Message("assistant", "ho")]
TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
ASKED = {"instruction": "hi", "input": "", "output": "ho"}
FUNCTION = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": FUNCTION}


@pytest.mark.parametrize("option", ["alpaca", "auto"])
@pytest.mark.parametrize(
    "history",
    [
        [["a", "b"], ["c", "d"]],
        '[["a", "b"], ["c", "d"]]',
        ["a", "b", "c", "d"],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"from": "human", "value": "c"},
         {"from": "gpt", "value": "d"}],
        [{"question": "a", "answer": "b"}, {"prompt": "c", "response": "d"}],
    ],
)  # fmt: skip
def test_history_becomes_turns_after_the_system_text(tmp_path, option, history):
    path = written(
        tmp_path / "a.jsonl", ASKED | {"history": history, "system": "be good"}, ASKED | {"history": []}, ASKED
    )
    before = [Message(role, text) for role, text in zip(["user", "assistant"] * 2, "abcd", strict=True)]
    read = source(option, path)
    assert turns(read) == [[Message("system", "be good"), *before, *HELLO], HELLO, HELLO]
    assert not [note for note in read.notes if not note.startswith("read as")]


def test_a_history_in_another_form_makes_its_record_unreadable(tmp_path):
    path = written(tmp_path / "a.jsonl", ASKED, ASKED | {"history": "once upon a time"}, ASKED | {"history": [[1]]})
    _, text, number = source("alpaca", path)
    for talk in (text, number):
        with pytest.raises(ValueError, match=r"field 'history' holds .*: give a list of messages or of \[question,"):
            talk.check()
    assert turns(source("alpaca", path, history_field=None)) == [HELLO] * 3


def test_a_system_text_of_the_record_joins_the_system_turn(tmp_path):
    own = {"messages": [{"role": "system", "content": "own"}, *TALK]}
    path = written(
        tmp_path / "a.jsonl", {"messages": TALK, "system": "s"}, own | {"system": "s"}, own | {"system": "own"}
    )
    first, second, third = turns(source("messages", path))
    assert first == [Message("system", "s"), *HELLO]
    assert second == [Message("system", "s\n\nown"), *HELLO]
    assert third == [Message("system", "own"), *HELLO]
    path = written(tmp_path / "b.jsonl", {"system_prompt": "s", "question": "hi", "response": "ho"})
    assert turns(source("auto", path)) == [[Message("system", "s"), *HELLO]]


@pytest.mark.parametrize("tools", [[TOOL], [FUNCTION], FUNCTION, json.dumps([FUNCTION]), json.dumps([TOOL])])
@pytest.mark.parametrize("option", ["messages", "sharegpt", "alpaca", "completions", "auto"])
def test_tools_stay_with_their_conversation(tmp_path, tools, option):
    fields = {"messages": TALK} if option in ("messages", "auto") else {}
    fields |= (
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]}
        if option == "sharegpt"
        else {}
    )
    fields |= ASKED if option == "alpaca" else {"prompt": "hi", "completion": "ho"} if option == "completions" else {}
    first, second = source(option, written(tmp_path / "a.jsonl", fields | {"tools": tools}, fields | {"tools": ""}))
    assert first.tools == (TOOL,)
    assert second.tools == ()
    assert [*first.messages] == HELLO


def test_functions_are_tools_by_another_name(tmp_path):
    path = written(tmp_path / "a.jsonl", {"messages": TALK, "functions": [FUNCTION]})
    assert [talk.tools for talk in source("auto", path)] == [(TOOL,)]
    named = source("messages", path)
    assert [talk.tools for talk in named] == [()]
    assert named.notes == ("functions in 1 records was not read: data.conversations.tools_field=functions reads it",)
    assert [talk.tools for talk in source("messages", path, tools_field="functions")] == [(TOOL,)]
    _, bad = source("auto", written(tmp_path / "b.jsonl", {"messages": TALK}, {"messages": TALK, "tools": ["add"]}))
    with pytest.raises(ValueError, match=r"b\.jsonl:2: field 'tools' has a tool without a name"):
        bad.check()


def test_a_function_call_is_a_line_of_json_like_a_tool_call(tmp_path):
    call = {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": '{"a": 1}'}}
    (talk,) = turns(source("messages", written(tmp_path / "a.jsonl", {"messages": [TALK[0], call]})))
    assert talk[1].content == '{"name": "add", "arguments": {"a": 1}}'


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("option", ["messages", "auto", "completions"])
def test_thoughts_in_a_field_follow_the_rule_of_reasoning(tmp_path, field, option):
    plain = {"messages": TALK} if option != "completions" else {"prompt": "hi", "completion": "ho"}
    thought = {"messages": [TALK[0], TALK[1] | {field: "Hm."}]} if option != "completions" else plain | {field: "Hm."}
    empty = {"messages": [TALK[0], TALK[1] | {field: " "}]} if option != "completions" else plain | {field: None}
    path = written(tmp_path / "a.jsonl", plain, empty, thought)
    with pytest.raises(
        ValueError, match=r"a\.jsonl:3.* has thoughts before its answer: set data\.conversations\.reasoning="
    ):
        list(source(option, path))
    dropped, kept = source(option, path, reasoning="drop"), source(option, path, reasoning="keep")
    assert turns(dropped) == [HELLO] * 3
    assert "1 turns lost their reasoning" in dropped.notes
    assert turns(kept) == [HELLO, HELLO, [HELLO[0], Message("assistant", "Hm.\n\nho")]]
    separate = source(option, path, reasoning="separate")
    assert turns(separate) == [HELLO, HELLO, [HELLO[0], Message("assistant", "ho", reasoning="Hm.")]]
    assert len({each.fingerprint() for each in (dropped, kept, separate)}) == 3


def test_thoughts_given_twice_count_once_and_parts_of_type_thinking_are_thoughts(tmp_path):
    twice = TALK[1] | {"reasoning": "Hm.", "reasoning_content": "Hm."}
    parts = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "ho"}]}
    path = written(tmp_path / "a.jsonl", {"messages": [TALK[0], twice]}, {"messages": [TALK[0], parts]})
    assert [talk[1].content for talk in turns(source("messages", path, reasoning="keep"))] == ["Hm.\n\nho"] * 2


@pytest.mark.parametrize(
    ("option", "record", "note"),
    [
        ("alpaca", ASKED | {"images": ["a.png"]}, "images in 2 records was not read: only text is read"),
        ("alpaca", ASKED | {"weight": 0.5}, "weight in 2 records was not read: all conversations have the same weight"),
        ("alpaca", ASKED | {"context": "x"},
         "context in 2 records was not read: data.conversations.input_field=context reads it"),
        ("alpaca", ASKED | {"rationale": "x"}, "data.conversations.rationale_field=rationale reads it"),
        ("completions", {"prompt": "hi", "completion": "ho", "system_prompt": "x"},
         "system_prompt in 2 records was not read: data.conversations.system_field=system_prompt reads it"),
        ("alternating", {"conversations": ["hi", "ho"], "system": "x"},
         "system in 2 records was not read: no option of this layout reads it"),
        ("transcripts", {"chosen": "\n\nHuman: hi\n\nAssistant: ho", "tools": [TOOL]},
         "tools in 2 records was not read: no option of this layout reads it"),
        ("messages", {"messages": [TALK[0] | {"name": "Ada"}, TALK[1]]}, "name in 2 turns was not read: put it into"),
        ("messages", {"messages": [TALK[0] | {"mood": "x"}, TALK[1]], "id": 7, "topic": "x"},
         "fields that were not read: id, topic, mood of turns"),
        ("self_instruct", {"instruction": "hi", "instances": [{"input": "", "output": "ho", "note": "x"}]},
         "fields that were not read: note of instances"),
    ],
)  # fmt: skip
def test_what_no_option_reads_is_counted_and_named(tmp_path, option, record, note):
    read = source(option, written(tmp_path / "a.jsonl", record, record))
    for _ in range(2):
        assert turns(read) == [HELLO] * 2
        assert any(each.startswith(note) or note in each for each in read.notes), read.notes


def test_the_detected_layout_has_the_options_that_its_notes_name(tmp_path):
    record = {"question": "hi", "answer": "ho", "context": "x", "rationale": "so"}
    path = written(tmp_path / "a.jsonl", record)
    read = source("auto", path)
    list(read)
    assert "context in 1 records was not read: data.conversations.input_field=context reads it" in read.notes
    assert "rationale in 1 records was not read: data.conversations.rationale_field=rationale reads it" in read.notes
    read = source("auto", path, input_field="context", rationale_field="rationale")
    assert turns(read) == [[Message("user", "hi\n\nx"), Message("assistant", "so\nho")]]
    assert read.notes == ("read as question and answer",)


@pytest.mark.parametrize("option", [
    "alpaca", "completions", "self_instruct", "messages", "sharegpt", "alternating", "transcripts", "trees", "auto",
])  # fmt: skip
def test_the_options_that_messages_name_are_in_the_yaml_and_so_need_no_plus(option):
    given = described(option)
    named = {*OPTIONS, "roles", "reasoning", "answer_end", "preferences", "delimiter", "encoding", "quoted", "columns"}
    parameters = inspect.signature(locate(given["_target_"])[0]).parameters
    assert {*named, "records_field", "group_field"} & parameters.keys() <= given.keys()


def test_fields_that_options_name_or_that_are_empty_are_not_named(tmp_path):
    record = ASKED | {"kind": "a", "page": 1, "tools": [], "note": " ", "history": None, "more": {}}
    read = source("alpaca", written(tmp_path / "a.jsonl", record), task_field="kind", group_field="page")
    assert turns(read) == [HELLO]
    assert read.notes == ()


def test_what_was_not_read_is_named_for_tables_too(tmp_path):
    (tmp_path / "a.csv").write_text("question,answer,context\nhi,ho,x\nhi,ho,\n")
    read = source("questions", tmp_path / "a.csv")
    list(read)
    assert read.notes == ("context in 1 records was not read: data.conversations.input_field=context reads it",)

"""Conversations are read in their published layouts, and faulty records are refused by place."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
import pyzstd

from lm.conversation import Message
from lm.corpus import Split
from support.conversation_sources import source, turns, written

DATA = Path(__file__).parents[4] / "shared" / "data"
here = pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")

HELLO = [Message("user", "hi"), Message("assistant", "ho")]
SHOWN = {  # a record of each option
    "alpaca": {"instruction": "hi", "input": "", "output": "ho"},
    "completions": {"prompt": "hi", "completion": "ho"},
    "messages": {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]},
    "self_instruct": {"instruction": "hi", "instances": [{"input": "", "output": "ho"}]},
    "dolly": {"instruction": "hi", "context": "", "response": "ho", "category": "chat"},
    "questions": {"question": "hi", "answer": "ho"},
    "transcripts": {"chosen": "\n\nHuman: hi\n\nAssistant: ho"},
}
DETECTED = [option for option in SHOWN if option != "transcripts"]


@pytest.mark.parametrize("option", SHOWN)
@pytest.mark.parametrize("form", ["jsonl", "list", "gz", "zst", "marked"])
def test_every_layout_is_read_from_json_lists_and_lines_packed_or_not(tmp_path, option, form):
    lines = "\n".join([json.dumps(SHOWN[option])] * 3).encode()
    name, content = {
        "jsonl": ("a.jsonl", lines),
        "list": ("a.json", json.dumps([SHOWN[option]] * 3, indent=2).encode()),
        "gz": ("a.jsonl.gz", gzip.compress(lines)),
        "zst": ("a.jsonl.zst", pyzstd.compress(lines)),
        "marked": ("a.jsonl", b"\xef\xbb\xbf" + lines),
    }[form]
    (tmp_path / name).write_bytes(content)
    read = source(option, tmp_path / name)
    assert turns(read) == [HELLO] * 3
    assert turns(read) == [HELLO] * 3, "read again at each iteration"
    places = [conversation.place for conversation in read]
    mark = ", record " if form == "list" else ":"
    assert places == [f"{tmp_path / name}{mark}{number}" for number in (1, 2, 3)]
    assert read.notes == ()


@pytest.mark.parametrize("option", DETECTED)
def test_the_layout_is_detected_from_the_first_record_and_noted(tmp_path, option):
    path = written(tmp_path / "a.jsonl", *[SHOWN[option]] * 2)
    read = source("auto", path)
    assert turns(read) == [HELLO] * 2
    note, *others = read.notes
    assert note.startswith("read as ")
    assert others == (["fields that were not read: category"] if option == "dolly" else [])
    given = source(option, path)
    fields = {"question_field", "input_field", "answer_field", "messages_field", "instances_field", "roles"}
    for field in fields & vars(given).keys():
        if not (field == "input_field" and option == "self_instruct"):
            assert getattr(read.source, field) == getattr(given, field)


def test_an_unknown_layout_is_refused_with_its_fields_and_a_later_change_by_place(tmp_path):
    with pytest.raises(ValueError, match=r"a\.jsonl:1 has no known layout \(its fields: 'q', 'a'\): choose"):
        source("auto", written(tmp_path / "a.jsonl", {"q": "hi", "a": "ho"}))
    with pytest.raises(ValueError, match=r"data\.conversations\.path .*b\.jsonl has no record"):
        source("auto", written(tmp_path / "b.jsonl"))
    path = written(tmp_path / "c.jsonl", SHOWN["questions"], SHOWN["messages"])
    with pytest.raises(ValueError, match=r"c\.jsonl:2 is read as messages, but .*c\.jsonl:1 is read as question and"):
        list(source("auto", path))


def test_hh_rlhf_by_name_means_its_better_answers_and_counts_the_others(tmp_path):
    turns = "\n\nHuman: hi\n\nAssistant: "
    path = written(tmp_path / "a.jsonl", {"chosen": f"{turns}ho", "rejected": f"{turns}no"})
    read = source("hh_rlhf", path)
    assert [talk.messages[-1].content for talk in read] == ["ho"]
    assert "1 worse answers were left out" in " ".join(read.notes)
    with pytest.raises(ValueError, match=r"preference pair .*set data\.conversations\.preferences=chosen"):
        list(source("transcripts", path))


@pytest.mark.parametrize("form", ["csv", "tsv", "csv.gz", "parquet"])
def test_tables_are_read_as_records(tmp_path, form):
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"question": ["hi", "hi"], "answer": ["ho", "ho"]}), path)
    else:
        mark = "\t" if form == "tsv" else ","
        text = f"question{mark}answer\n" + f'hi{mark}"ho"\n' * 2
        path.write_bytes(gzip.compress(text.encode()) if form.endswith("gz") else text.encode())
    assert turns(source("questions", path)) == turns(source("auto", path)) == [HELLO] * 2


def test_messages_in_parquet_are_lists_of_turns(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([SHOWN["messages"]] * 2), tmp_path / "a.parquet")
    assert turns(source("messages", tmp_path / "a.parquet")) == [HELLO] * 2


def test_a_rationale_begins_the_answer_and_escaped_line_breaks_are_line_breaks(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('Is 2 "even"?\\nYes or no\tyes\tIt is 2 × 1.\nIs 3?\tno\t\n', encoding="utf-8")
    contents = [[message.content for message in one] for one in turns(source("flan_cot", path))]
    assert contents == [['Is 2 "even"?\nYes or no', "It is 2 × 1.\nyes"], ["Is 3?", "no"]]
    assert turns(source("flan_cot", path, rationale_field=None))[0][1].content == "yes"
    path.write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.tsv row 1 .* has 2 fields, and the header 3"):
        list(source("flan_cot", path))


def test_tool_calls_are_lines_of_json_and_tool_results_are_turns(tmp_path):
    call = {"id": "x1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "user", "content": "1?"},
        {"role": "assistant", "content": None, "tool_calls": [call, {"name": "é"}]},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "content": "so", "tool_calls": [call]},
    ]
    read = turns(source("messages", written(tmp_path / "a.jsonl", {"messages": messages})))[0]
    assert [message.role for message in read] == ["user", "assistant", "tool", "assistant"]
    line = '{"name": "add", "arguments": {"a": 1}}'
    assert read[1].content == line + '\n{"name": "é", "arguments": {}}'
    assert read[3].content == f"so\n{line}"
    assert read[1].calls == (line, '{"name": "é", "arguments": {}}')
    assert (read[3].words, read[3].calls) == ("so", (line,))
    for wrong, message in (({"function": {}}, "has no name"), ({"name": "f", "arguments": "{"}, "of f are not JSON")):
        messages[1]["tool_calls"] = [wrong]
        with pytest.raises(ValueError, match=rf"b\.jsonl:1, turn 2: .*{message}"):
            list(source("messages", written(tmp_path / "b.jsonl", {"messages": messages})))


def test_a_turn_of_the_role_function_call_is_a_tool_call(tmp_path):
    call = '{"name": "add", "arguments": {"a": 1}}'
    said = [("human", "1?"), ("function_call", call), ("observation", "2"), ("gpt", call), ("function_call", "sorry")]
    record = {"conversations": [{"from": who, "value": text} for who, text in said]}
    read = turns(source("sharegpt", written(tmp_path / "a.jsonl", record)))[0]
    assert [message.content for message in read] == [text for _, text in said]
    assert [message.calls for message in read] == [(), (call,), (), (), ()]


def test_transcripts_are_split_at_the_names_of_speakers(tmp_path):
    text = "\n\nHuman: a\n\nb\n\nHuman: c\n\nAssistant: d: Human: e\n\nAssistant:"
    path = written(tmp_path / "a.jsonl", {"chosen": text})
    assert turns(source("transcripts", path)) == [[Message("user", "a\n\nb\n\nc"), Message("assistant", "d: Human: e")]]
    for wrong in ("hello", "so \n\nHuman: hi"):
        with pytest.raises(ValueError, match=r"b\.jsonl:1: field 'chosen' does not begin with"):
            list(source("transcripts", written(tmp_path / "b.jsonl", {"chosen": wrong})))
    with pytest.raises(ValueError, match=r"b\.jsonl:1: field 'chosen' is a list, not text"):
        list(source("transcripts", written(tmp_path / "b.jsonl", {"chosen": []})))


def test_several_files_and_patterns_are_read_one_after_another(tmp_path):
    for name in ("b", "a", "c"):
        written(tmp_path / f"{name}.jsonl", {"prompt": name, "completion": "ho"})
    read = source("completions", [str(tmp_path / "c.jsonl"), str(tmp_path / "*.jsonl")])
    assert [conversation.messages[0].content for conversation in read] == ["c", "a", "b"]


def test_the_input_follows_the_question_after_an_empty_line(tmp_path):
    path = written(
        tmp_path / "a.jsonl",
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": "Add.", "input": None, "output": "3"},
        {"instruction": "Add.", "output": "3"},
    )
    assert [conversation.messages[0].content for conversation in source("alpaca", path)] == [
        "Add.\n\n1 2",
        "Add.",
        "Add.",
    ]
    assert turns(source("alpaca", path, input_field=None))[0][0].content == "Add."
    assert turns(source("alpaca", path, between="\n\n### Input:\n"))[0][0].content == "Add.\n\n### Input:\n1 2"


def test_every_instance_of_self_instruct_is_a_conversation(tmp_path):
    instances = [{"input": "1 2", "output": "3"}, {"input": "", "output": "7"}]
    path = written(tmp_path / "a.jsonl", {"instruction": "Add.", "instances": instances})
    read = list(source("self_instruct", path))
    assert [[message.content for message in one.messages] for one in read] == [["Add.\n\n1 2", "3"], ["Add.", "7"]]
    assert {one.place for one in read} == {f"{path}:1"}


def test_roles_map_the_names_of_a_file(tmp_path):
    messages = [{"role": "bot", "content": "ho"}, {"role": "user", "content": "hi"}, {"role": "bot", "content": "hm"}]
    path = written(tmp_path / "a.jsonl", {"messages": messages})
    read = source("messages", path, roles={"bot": "assistant"})
    assert [message.role for message in turns(read)[0]] == ["assistant", "user", "assistant"]
    with pytest.raises(ValueError, match=r"a\.jsonl:1, turn 1: role 'bot' is unknown: .*conversations\.roles\.bot="):
        list(source("messages", path))
    with pytest.raises(ValueError, match=r"data\.conversations\.roles: 'helper' is not one of system, user, assistant"):
        source("messages", path, roles={"bot": "helper"})


def test_an_end_token_in_answers_is_noted_and_removed_by_name(tmp_path):
    path = tmp_path / "talks.jsonl"
    answers = ["yes<|endoftext|>", "no", "a </s> within", "no</s>"]
    path.write_text("".join(json.dumps({"prompt": "why?", "completion": answer}) + "\n" for answer in answers))
    left = source("completions", path)
    assert [talk.messages[1].content for talk in left] == answers
    assert len(left.notes) == 2
    assert any("1 answers end with <|endoftext|>, trained on as text" in note for note in left.notes)
    off = source("completions", path, answer_end="<|endoftext|>")
    assert [talk.messages[1].content for talk in off] == ["yes", *answers[1:]]
    assert off.notes == ()
    assert off.fingerprint() != left.fingerprint()


def test_questions_with_the_same_group_field_are_held_out_together(tmp_path):
    path = tmp_path / "talks.jsonl"
    records = [{"prompt": f"{ask} {text}?", "completion": "x", "text": text} for text in range(40) for ask in "ab"]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    split = Split(0.5)
    alone = [split.held_out(talk) for talk in source("completions", path)]
    assert alone[::2] != alone[1::2]
    together = source("completions", path, group_field="text")
    held_out = [split.held_out(talk) for talk in together]
    assert held_out[::2] == held_out[1::2]
    assert 0 < sum(held_out) < len(held_out)
    assert together.fingerprint() != source("completions", path).fingerprint()
    with pytest.raises(ValueError, match=r"talks\.jsonl:1 has no field 'page'"):
        list(source("completions", path, group_field="page"))


def test_a_system_field_begins_the_conversation_where_it_is_not_empty(tmp_path):
    records = [SHOWN["sharegpt"] | {"system": system} for system in ("be good", "", None)]
    path = written(tmp_path / "a.jsonl", *records, SHOWN["sharegpt"])
    assert turns(source("sharegpt", path)) == [[Message("system", "be good"), *HELLO], HELLO, HELLO, HELLO]
    path = written(tmp_path / "b.jsonl", SHOWN["alpaca"] | {"rules": "be good"})
    assert turns(source("alpaca", path, system_field="rules")) == [[Message("system", "be good"), *HELLO]]


def test_a_task_field_names_the_task(tmp_path):
    path = written(tmp_path / "a.jsonl", SHOWN["alpaca"] | {"kind": "chat"}, SHOWN["alpaca"] | {"kind": 7})
    assert [one.task for one in source("alpaca", path, task_field="kind")] == ["chat", "7"]
    assert [one.task for one in source("alpaca", path)] == ["", ""]
    with pytest.raises(ValueError, match=r"a\.jsonl:1 has no field 'knd': did you mean 'kind'"):
        list(source("alpaca", path, task_field="knd"))


def test_content_in_parts_is_joined_if_all_parts_are_text(tmp_path):
    def record(*parts):
        return {"messages": [{"role": "user", "content": list(parts)}, {"role": "assistant", "content": "ho"}]}

    path = written(
        tmp_path / "a.jsonl",
        record({"type": "text", "text": "h"}, "i"),
        record({"type": "text", "value": "hi"}),
        record({"type": "text", "text": "hi"}, {"type": "image_url", "image_url": "x"}),
    )
    read = iter(source("messages", path))
    assert [list(next(read).messages) for _ in range(2)] == [HELLO, HELLO]
    with pytest.raises(ValueError, match=r"a\.jsonl:3, turn 1: a part of its content is 'image_url', and only text"):
        next(read).check()


@pytest.mark.parametrize(
    ("option", "record", "message"),
    [
        ("alpaca", {"instructoin": "hi", "output": "ho"}, r":1 has no field 'instruction': did you mean 'instructoin'"),
        ("alpaca", {"instruction": "hi", "response": "ho"}, r"no field 'output': it has 'instruction', 'response'"),
        ("alpaca", {"instruction": "hi", "input": [1], "output": "ho"}, r":1: field 'input' is a list, not text"),
        ("completions", {"prompt": "hi", "completions": "ho"}, r"no field 'completion': did you mean 'completions'"),
        ("messages", {"conversations": []}, r":1 has no field 'messages': it has 'conversations'"),
        ("messages", {"messages": "hi"}, r":1: field 'messages' is a str, not a list of turns"),
        ("messages", {"messages": ["hi"]}, r":1, turn 1 is a str, not an object with a role and a content"),
        (
            "messages",
            {"messages": [{"rol": "user", "content": "hi"}]},
            r"turn 1 has no field 'role': did you mean 'rol'",
        ),
        ("messages", {"messages": [{"role": "user", "text": "hi"}]}, r":1, turn 1 has no field 'content'"),
        ("messages", {"messages": [{"role": ["user"], "content": "hi"}]}, r"turn 1: role \['user'\] is unknown"),
        (
            "self_instruct",
            {"instruction": "hi", "instances": {"output": "ho"}},
            r"'instances' is a dict, not a list of objects",
        ),
        ("self_instruct", {"instruction": "hi", "instances": [{"input": ""}]}, r":1 has no field 'output'"),
    ],
)
def test_missing_fields_are_refused_by_file_and_line(tmp_path, option, record, message):
    path = written(tmp_path / "a.jsonl", record)
    with pytest.raises(ValueError, match=message) as caught:
        list(source(option, path))
    assert str(caught.value).startswith(f"{path}:1")


def test_invalid_json_is_refused_by_file_and_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(SHOWN["alpaca"]) + "\n{'instruction': 'hi'}\n")
    with pytest.raises(ValueError, match=r"a\.jsonl:2 is not JSON"):
        list(source("alpaca", path))


@pytest.mark.parametrize("answer", [None, 3, {"text": "ho"}])
def test_content_that_is_not_text_is_refused_by_the_check_with_its_place(tmp_path, answer):
    path = written(tmp_path / "a.jsonl", {"prompt": "hi", "completion": answer})
    (read,) = source("completions", path)
    with pytest.raises(ValueError, match=r"a\.jsonl:1, turn 2: the content of the assistant is"):
        read.check()


def test_lone_surrogates_are_replaced_and_counted_at_each_reading(tmp_path):
    broken = {"prompt": "a\ud83db", "completion": "\udc00"}
    whole = {"prompt": "\ud83d\ude42", "completion": "ho"}
    read = source("completions", written(tmp_path / "a.jsonl", broken, whole))
    for _ in range(2):
        assert [[message.content for message in one] for one in turns(read)] == [["a\ufffdb", "\ufffd"], ["🙂", "ho"]]
        assert read.notes == ("2 turns had lone surrogates (halves of characters), replaced by �",)


def test_the_fingerprint_depends_on_content_and_options(tmp_path):
    path = written(tmp_path / "a.jsonl", SHOWN["alpaca"])
    first = source("alpaca", path).fingerprint()
    assert first == source("alpaca", path).fingerprint()
    assert first != source("alpaca", path, input_field=None).fingerprint()
    assert first != source("alpaca", path, task_field="input").fingerprint()
    assert source("messages", path).fingerprint() != source("messages", path, roles={"bot": "user"}).fingerprint()
    written(path, SHOWN["alpaca"], SHOWN["alpaca"])
    assert first != source("alpaca", path).fingerprint()


def test_a_path_without_files_is_refused_under_its_own_key(tmp_path):
    with pytest.raises(ValueError, match=r"^data\.conversations\.path .*nothing\.json does not exist"):
        source("alpaca", tmp_path / "nothing.json")
    with pytest.raises(ValueError, match=r"^data\.conversations\.path .*\*\.json matches no file"):
        source("alpaca", tmp_path / "*.json")


REAL = {
    "self_instruct/seed_tasks.jsonl": ("self_instruct", {}, 175),
    "self_instruct/user_oriented_instructions.jsonl": ("self_instruct", {}, 252),
    "sft_demo/alpaca_en_demo.json": ("alpaca", {}, 999),
    "sft_demo/alpaca_zh_demo.json": ("alpaca", {}, 1000),
    "sft_demo/identity.json": ("alpaca", {}, 91),
    "sft_demo/v1_sft_demo.jsonl": ("messages", {}, 500),
    "codealpaca/code_alpaca_2k.json": ("alpaca", {}, 2017),
    "codealpaca/new_codealpaca.json.gz": ("alpaca", {}, 4535),
    "t0_p3/t0_lean.jsonl.gz": ("completions", {"task_field": "template"}, 9015),
}


@here
@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_as_they_are(name):
    option, more, count = REAL[name]
    read = list(source(option, DATA / name, **more))
    assert len(read) == count
    faulty = []
    for conversation in read:
        assert [message.role for message in conversation.messages] == ["user", "assistant"]
        try:
            conversation.check()
        except ValueError as fault:
            faulty.append(str(fault))
    assert len(faulty) == (2 if "2k" in name else 0)  # two of its answers are empty
    assert all("the answer is empty" in fault for fault in faulty)
    if more:
        assert len(Counter(conversation.task for conversation in read)) > 200


@here
def test_real_sharegpt_with_tools_is_read_with_turns_of_tools():
    path = DATA / "sft_demo" / "glaive_toolcall_en_demo.json"
    read = list(source("sharegpt", path))
    assert len(read) == 300
    assert {message.role for one in read for message in one.messages} == {"user", "assistant", "tool"}
    for conversation in read:
        conversation.check()
    assert max(len(conversation.messages) for conversation in read) == 14


@here
def test_real_reasoning_is_refused_dropped_or_kept_and_calls_among_parts_are_lines_of_json():
    path = DATA / "sft_demo" / "reason_tool_use_demo_50.jsonl"
    with pytest.raises(ValueError, match=r"demo_50\.jsonl:1, turn 3 has thoughts .*conversations\.reasoning=drop"):
        list(source("messages", path))
    dropped, kept = (source("messages", path, reasoning=reasoning) for reasoning in ("drop", "keep"))
    pairs = list(zip(turns(dropped), turns(kept), strict=True))
    assert len(pairs) == 50
    assert "112 turns lost their reasoning" in dropped.notes
    answers = [pair for one, other in pairs for pair in zip(one, other, strict=True) if pair[0].role == "assistant"]
    assert all(long.content.endswith(f"\n\n{short.content}") for short, long in answers if short != long)
    assert sum(short != long for short, long in answers) == 112
    called = [line for short, _ in answers for line in short.content.splitlines() if line.startswith('{"name": ')]
    assert len(called) == 68
    assert all({"name", "arguments"} == json.loads(line).keys() for line in called)


MORE = {
    "gsm8k/train.jsonl.gz": ("questions", {}, 7473),
    "hh_rlhf/harmless_base_dev_1500.jsonl.gz": ("transcripts", {"preferences": "chosen"}, 1500),
    "alpaca_eval_pairs/pairs_dev.jsonl.gz": ("completions", {"answer_field": "chosen", "preferences": "chosen"}, 6547),
    "sft_demo/glaive_toolcall_zh_demo.json": ("sharegpt", {}, 300),
    "pref_demo/stack_exchange_paired_tiny.json": (
        "questions",
        {"answer_field": "response_j", "preferences": "chosen"},
        25,
    ),
}


@here
@pytest.mark.parametrize("name", MORE)
def test_more_real_files_are_read_as_they_are(name):
    option, more, count = MORE[name]
    read = list(source(option, DATA / name, **more))
    assert len(read) == count
    faulty = []
    for conversation in read:
        try:
            conversation.check()
        except ValueError as fault:
            faulty.append(str(fault))
    assert len(faulty) < 0.01 * count, faulty[:3]


@here
def test_the_real_chains_of_thought_are_read_as_they_are():
    read = list(source("flan_cot", str(DATA / "flan_cot" / "*.tsv*")))
    assert len(read) > 30_000
    for conversation in read:
        conversation.check()


BY_NAME = {  # files whose first record does not reveal their layout
    "flan_cot": ("flan_cot", {}),
    "sft_demo/reason_tool_use_demo_50.jsonl": ("auto", {"reasoning": "keep"}),
    "hh_rlhf": ("auto", {"preferences": "chosen"}),
    "alpaca_eval_pairs": ("auto", {"preferences": "chosen"}),
}
FOLDERS = ["self_instruct", "t0_p3", "sft_demo", "codealpaca", "flan_cot", "hh_rlhf", "alpaca_eval_pairs", "gsm8k"]
FILES = [
    str(file.relative_to(DATA))
    for folder in FOLDERS
    for file in sorted((DATA / folder).glob("*"))
    if file.name.endswith((".json", ".jsonl", ".tsv", ".gz"))
]


@here
@pytest.mark.parametrize("name", FILES)
def test_every_real_file_of_instructions_loads_by_itself_or_by_a_named_option(name):
    option, more = BY_NAME.get(name) or BY_NAME.get(name.partition("/")[0]) or ("auto", {})
    read = 0
    for conversation, _ in zip(source(option, DATA / name, **more), range(300), strict=False):
        read += 1
        if all(isinstance(message.content, str) and message.content.strip() for message in conversation.messages):
            conversation.check()
    assert read > 20


@here
@pytest.mark.parametrize("name", [*REAL, "gsm8k/train.jsonl.gz", "sft_demo/glaive_toolcall_en_demo.json"])
def test_the_layout_of_real_files_is_detected(name):
    option, more, count = REAL.get(name) or MORE.get(name) or ("sharegpt", {}, 300)
    assert turns(source("auto", DATA / name)) == turns(source(option, DATA / name, **more))
    assert count

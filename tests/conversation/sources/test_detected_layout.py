"""The detected layout takes the options of the layouts, and files in other forms are recognised by their content."""

import json

import pytest

from lm.conversation import Message
from support.conversation_sources import source, turns, written

HELLO = [Message("user", "hi"), Message("assistant", "ho")]
ASKED = {"question": "hi", "answer": "ho"}


@pytest.mark.parametrize(
    "record",
    [
        {"conversation": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
        {"conversations": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
        {"messages": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]},
        {"dialogue": [{"speaker": "user", "text": "hi"}, {"speaker": "assistant", "text": "ho"}]},
        {"messages": json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}])},
        {"turns": ["hi", "ho"]},
        {"Question": "hi", "Answer": "ho"},
        {"system_prompt": "", "question": "hi", "response": "ho"},
        {"input": "hi", "output": "ho"},
    ],
)
def test_more_layouts_are_recognised(tmp_path, record):
    assert turns(source("auto", written(tmp_path / "a.jsonl", record, record))) == [HELLO] * 2


def test_a_record_without_a_layout_at_the_beginning_does_not_hide_the_layout(tmp_path):
    first, *rest = source("auto", written(tmp_path / "a.jsonl", {"messages": None}, {}, ASKED))
    assert [*rest[-1].messages] == HELLO
    for talk in (first, rest[0]):
        with pytest.raises(ValueError, match=r"a\.jsonl:\d has no field 'question'"):
            talk.check()


@pytest.mark.parametrize(
    ("option", "value"), [("roles", {"bot": "assistant"}), ("system_field", "rules"), ("answer_end", "</s>")]
)
def test_an_option_that_the_layout_lacks_is_refused_by_name(tmp_path, option, value):
    path = written(tmp_path / "a.jsonl", {"conversations": ["hi", "ho"]})
    with pytest.raises(ValueError, match=rf"^data\.conversations\.{option}: .*a\.jsonl:1 is read as alternating texts"):
        source("auto", path, **{option: value})


def test_a_record_that_cannot_be_read_is_a_conversation_with_a_fault(tmp_path):
    path = written(tmp_path / "a.jsonl", {"question": "?"}, ASKED, {"question": "hi"}, ASKED)
    for option in ("auto", "questions"):
        talks = list(source(option, path))
        assert [[*talk.messages] for talk in talks] == [[], HELLO, [], HELLO]
        for number in (0, 2):
            with pytest.raises(ValueError, match=rf"a\.jsonl:{number + 1} has no field 'answer'"):
                talks[number].check()


def test_a_layout_in_which_none_of_the_first_records_can_be_read_is_refused(tmp_path):
    path = written(tmp_path / "a.jsonl", *[{"question": "hi"}] * 100, ASKED)
    with pytest.raises(ValueError, match=r"a\.jsonl:1 has no field 'answer'"):
        list(source("questions", path))
    path = written(tmp_path / "b.jsonl", *[{"question": "hi"}] * 99, ASKED)
    assert len(list(source("questions", path))) == 100


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_the_delimiter_of_a_table_is_found_or_given(tmp_path, mark, delimiter):
    text = 'instruction;input;output\n"h; i";;"a\nb"\nhi;;ho\n'.replace(";", delimiter)
    (tmp_path / "a.csv").write_text(mark + text, encoding="utf-8")
    wanted = [[Message("user", f"h{delimiter} i"), Message("assistant", "a\nb")], HELLO]
    for option in ("alpaca", "auto"):
        read = source(option, tmp_path / "a.csv")
        assert turns(read) == wanted
        assert any("between fields" in note for note in read.notes) == (delimiter != ",")
        assert turns(source(option, tmp_path / "a.csv", delimiter=delimiter.replace("\t", "\\t"))) == wanted


def test_a_delimiter_of_two_characters_is_refused_and_a_wrong_one_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("question,answer\nhi,ho\n")
    with pytest.raises(ValueError, match=r"data\.conversations\.delimiter ';;' is not one character"):
        source("questions", tmp_path / "a.csv", delimiter=";;")
    (tmp_path / "b.csv").write_text("question,answer\nhi,ho,hu\n")
    with pytest.raises(ValueError, match=r"b\.csv row 1 .* has 3 fields.*data\.conversations\.delimiter names another"):
        list(source("questions", tmp_path / "b.csv"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_files_in_utf_16_are_read_like_others(tmp_path, encoding, form):
    record = {"question": "grün?", "answer": "ja, größer"}
    line = json.dumps(record, ensure_ascii=False)
    text = {"jsonl": line + "\n", "json": f"[{line}]", "csv": 'question,answer\ngrün?,"ja, größer"\n'}[form]
    (tmp_path / f"a.{form}").write_bytes(text.encode(encoding))
    (talk,) = source("auto", tmp_path / f"a.{form}")
    assert [turn.content for turn in talk.messages] == [*record.values()]


def test_another_encoding_is_named(tmp_path):
    line = json.dumps({"question": "grün?", "answer": "ja"}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_bytes(line.encode("cp1252"))
    with pytest.raises(ValueError, match=r"a\.jsonl:1 is not JSON: .*data\.conversations\.encoding=windows-1252"):
        source("auto", tmp_path / "a.jsonl")
    (talk,) = source("auto", tmp_path / "a.jsonl", encoding="windows-1252")
    assert talk.messages[0].content == "grün?"
    with pytest.raises(ValueError, match=r"data\.conversations\.encoding 'utf-9' is not an encoding of Python"):
        source("auto", tmp_path / "a.jsonl", encoding="utf-9")


def test_nested_fields_are_named_with_dots(tmp_path):
    path = written(tmp_path / "a.jsonl", {"data": {"q": "hi", "a": "ho"}, "meta": {"kind": "x"}})
    read = source("questions", path, question_field="data.q", answer_field="data.a", task_field="meta.kind")
    (talk,) = read
    assert ([*talk.messages], talk.task, read.notes) == (HELLO, "x", ())
    with pytest.raises(ValueError, match=r"a\.jsonl:1, data has no field 'b': it has 'q', 'a'"):
        list(source("questions", path, question_field="data.q", answer_field="data.b"))


def test_a_list_within_the_one_object_of_a_file_is_named_and_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": 1, "data": [ASKED, ASKED]}, indent=1))
    with pytest.raises(ValueError, match=r"a list of 2 objects: set data\.conversations\.records_field=data to"):
        source("auto", path)
    for option in ("auto", "questions"):
        read = source(option, path, records_field="data")
        assert turns(read) == [HELLO] * 2
    assert source("questions", path, records_field="data").fingerprint() != source("questions", path).fingerprint()


def test_null_is_no_name_of_a_task_or_a_group(tmp_path):
    path = written(tmp_path / "a.jsonl", ASKED | {"kind": None}, ASKED | {"kind": "x"}, ASKED | {"kind": float("nan")})
    talks = list(source("questions", path, task_field="kind", group_field="kind"))
    assert [(talk.task, talk.group) for talk in talks] == [("", ""), ("x", "x"), ("", "")]

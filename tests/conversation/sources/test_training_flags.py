"""Answers that a file marks as not to be learned are context, whatever the mark; parts of a turn are refused."""

import json

import pytest

from support.conversation_sources import source, turns, written

MARKS = ["train", "training", "trainable", "loss", "weight", "loss_weight"]


def record(mark: str, *values: object, **more) -> dict:
    """A question and an answer for each value of the mark."""
    messages = []
    for value in values:
        messages += [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", mark: value}]
    return {"messages": messages, **more}


def learned(read) -> list[list[bool]]:
    return [[turn.supervised for turn in talk if turn.role == "assistant"] for talk in turns(read)]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    ("no", "yes"), [(False, True), (0, 1), (0.0, 1.0), ("false", "true"), ("False", "TRUE"), ("0", "1"), (" no ", None)]
)
def test_a_turn_with_a_mark_is_context_and_the_others_are_learned(tmp_path, mark, no, yes):
    path = written(tmp_path / "a.jsonl", record(mark, no, yes), record(mark, yes, None), record(mark, "", no))
    read = source("messages", path)
    assert learned(read) == [[False, True], [True, True], [True, False]]
    assert read.notes == ("2 answers are marked as not to be learned, and are context only",)
    assert learned(source("auto", path)) == learned(read)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("value", [0.5, "0.5", 2, "maybe", [1]])
def test_a_share_of_the_loss_weight_is_refused_by_place(tmp_path, mark, value):
    path = written(tmp_path / "a.jsonl", record(mark, True), record(mark, True, value))
    with pytest.raises(ValueError, match=rf"a\.jsonl:2, turn 4: {mark} .* asks for a share of the loss weight"):
        list(source("messages", path))


def test_marks_for_parts_of_a_turn_are_refused_by_name(tmp_path):
    ranges = [{"begin_offset": 0, "end_offset": 1, "train": False}]
    with pytest.raises(ValueError, match=r"a\.jsonl:1, turn 2: train_detail marks parts of a turn"):
        list(source("messages", written(tmp_path / "a.jsonl", record("train_detail", ranges))))
    assert learned(source("messages", written(tmp_path / "a.jsonl", record("train_detail", None)))) == [[True]]


def test_sharegpt_and_json_in_tables_have_the_same_marks(tmp_path):
    said = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho", "train": False}]
    assert learned(source("sharegpt", written(tmp_path / "a.jsonl", {"conversations": said}))) == [[False]]
    cell = json.dumps(record("loss", False, True)["messages"]).replace('"', '""')
    (tmp_path / "a.csv").write_text(f'messages\n"{cell}"\n')
    for option in ("messages", "auto"):
        assert learned(source(option, tmp_path / "a.csv")) == [[False, True]]


def test_absent_marks_in_a_parquet_file_say_nothing(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([record("train", False, None)]), tmp_path / "a.parquet")
    assert learned(source("messages", tmp_path / "a.parquet")) == [[False, True]]


@pytest.mark.parametrize("mark", [{"weight": 0}, {"train": "false"}, {"trainable": False}, {"loss": False}])
@pytest.mark.parametrize("option", ["messages", "completions", "alternating", "transcripts"])
def test_a_mark_of_the_record_holds_for_all_its_answers_and_nothing_is_left_to_learn(tmp_path, mark, option):
    fields = {
        "messages": record("id", 1)["messages"],
        "prompt": "hi",
        "completion": "ho",
        "conversations": ["hi", "ho"],
    }
    fields |= {"chosen": "\n\nHuman: hi\n\nAssistant: ho"}
    (talk,) = source(option, written(tmp_path / "a.jsonl", fields | mark))
    with pytest.raises(ValueError, match=r"a\.jsonl:1: every answer is marked as not to be learned"):
        talk.check()
    (talk,) = source(option, written(tmp_path / "a.jsonl", fields | {"weight": 1, "loss": 0.0}))
    talk.check()


def test_turns_of_others_that_are_marked_to_be_learned_are_counted(tmp_path):
    talk = record("train", True)
    talk["messages"][0]["train"] = True
    read = source("messages", written(tmp_path / "a.jsonl", talk, record("weight", 1)))
    assert learned(read) == [[True], [True]]
    assert read.notes == ("1 turns are marked to be learned and are not the assistant's: they are context only",)


def test_an_answer_of_a_tree_has_marks_too(tmp_path):
    root = {"message_id": "1", "parent_id": None, "role": "user", "text": "hi"}
    answer = {"message_id": "2", "parent_id": "1", "role": "assistant", "text": "ho", "train": False}
    assert learned(source("trees", written(tmp_path / "a.jsonl", root, answer))) == [[False]]


@pytest.mark.parametrize("option", ["completions", "auto"])
def test_answers_within_a_prompt_of_messages_are_context(tmp_path, option):
    ask, say = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}
    path = written(tmp_path / "a.jsonl", {"prompt": [ask, say, ask], "completion": [say]})
    (talk,) = turns(source(option, path))
    assert [(turn.role, turn.supervised) for turn in talk] == [
        ("user", True), ("assistant", False), ("user", True), ("assistant", True),
    ]  # fmt: skip

"""Comparisons of answers are refused by name, in every layout, and their better answers are read on request."""

import json

import pytest

from lm.conversation.sources.preferences import find_pair
from support.conversation_sources import source, turns, written

HELLO = [("user", "hi"), ("assistant", "ho")]
TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
BAD = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "no"}]
SAID = [{"from": "human", "value": "hi"}]
PAIRS = {
    "texts": {"prompt": "hi", "chosen": "ho", "rejected": "no"},
    "responses": {"prompt": "hi", "chosen_response": "ho", "rejected_response": "no"},
    "camel": {"question": "hi", "chosenResponse": "ho", "rejectedResponse": "no"},
    "preferred": {"instruction": "hi", "preferred": "ho", "dispreferred": "no"},
    "letters": {"question": "hi", "response_j": "ho", "response_k": "no"},
    "better": {"prompt": "hi", "better_response": "ho", "worse_response": "no"},
    "winner": {"prompt": "hi", "winner": "ho", "loser": "no"},
    "transcripts": {"chosen": "\n\nHuman: hi\n\nAssistant: ho", "rejected": "\n\nHuman: hi\n\nAssistant: no"},
    "whole": {"prompt": "hi", "chosen": TALK, "rejected": BAD},
    "messages": {"chosen_messages": TALK, "rejected_messages": BAD},
    "continued": {"prompt": TALK[:1], "chosen": TALK[1:], "rejected": BAD[1:]},
    "openai": {"input": {"messages": TALK[:1]}, "preferred_output": TALK[1:], "non_preferred_output": BAD[1:]},
    "sharegpt": {
        "conversations": SAID,
        "chosen": {"from": "gpt", "value": "ho"},
        "rejected": {"from": "gpt", "value": "no"},
    },
    "beside": {"messages": TALK, "rejected_response": "no"},
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_preference_pair_is_refused_with_what_to_do_and_that_works(tmp_path, name):
    path = written(tmp_path / "a.jsonl", PAIRS[name], PAIRS[name])
    with pytest.raises(ValueError, match=r"a\.jsonl:1 is a preference pair \(it has .*preferences=chosen") as refused:
        list(source("auto", path))
    assert all(field in str(refused.value) for field in PAIRS[name] if field.startswith(("rej", "non", "worse", "dis")))
    read = source("auto", path, preferences="chosen")
    assert [[(turn.role, turn.content) for turn in talk] for talk in turns(read)] == [HELLO] * 2
    assert "2 worse answers were left out" in read.notes
    assert not any("rejected" in note for note in read.notes)


@pytest.mark.parametrize(
    ("option", "record"),
    [
        ("completions", {"prompt": "hi", "completion": "ho", "rejected": "no"}),
        ("alpaca", {"instruction": "hi", "output": "ho", "rejected_output": "no"}),
        ("messages", {"messages": TALK, "rejected_messages": BAD}),
        ("sharegpt", {"conversations": SAID * 2, "chosen": "ho", "rejected": "no"}),
        ("alternating", {"conversations": ["hi", "ho"], "rejected": "no"}),
        ("transcripts", PAIRS["transcripts"]),
        ("trees", {"message_id": "1", "parent_id": None, "role": "user", "text": "hi", "rejected": "no"}),
        ("self_instruct", {"instruction": "hi", "instances": [{"input": "", "output": "ho"}], "rejected": "no"}),
        ("dolly", {"instruction": "hi", "context": "", "response": "ho", "category": "a", "dispreferred": "no"}),
        ("questions", {"question": "hi", "answer": "ho", "answer_1": "ho", "answer_2": "no", "preference": "1"}),
    ],
)
def test_no_layout_reads_a_comparison_as_a_plain_answer(tmp_path, option, record):
    with pytest.raises(ValueError, match=r"a\.jsonl:1 is a preference pair"):
        list(source(option, written(tmp_path / "a.jsonl", record)))


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_pairs_are_refused_in_every_form_of_file(tmp_path, form):
    path = tmp_path / f"a.{form}"
    if form == "csv":
        path.write_text("prompt,chosen,rejected\nhi,ho,no\n")
    elif form == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist([PAIRS["texts"]]), path)
    else:
        path.write_text(json.dumps([PAIRS["texts"]] if form == "json" else PAIRS["texts"]))
    with pytest.raises(ValueError, match="is a preference pair"):
        list(source("auto", path))
    assert len(list(source("auto", path, preferences="chosen"))) == 1


@pytest.mark.parametrize("label", [False, "False", "false"])
@pytest.mark.parametrize("field", ["label", "kto_tag"])
def test_an_answer_labelled_as_bad_is_refused_or_left_out(tmp_path, label, field):
    good = {"prompt": "hi", "completion": "ho", field: True}
    path = written(tmp_path / "a.jsonl", good, good | {field: label}, good)
    for option in ("auto", "completions"):
        with pytest.raises(
            ValueError, match=rf"a\.jsonl:2 has an answer that is marked as a bad one \(field '{field}'"
        ):
            list(source(option, path))
        read = source(option, path, preferences="chosen")
        assert len(list(read)) == 2
        notes = [note for note in read.notes if not note.startswith("read as")]
        assert notes == ["1 records with a rejected answer were left out"]
    assert len(list(source("completions", path, task_field=field))) == 3, "as a kind of question it is no verdict"


def test_the_better_answer_is_not_guessed_where_no_field_names_it(tmp_path):
    record = {"prompt": "hi", "response_0": "ho", "response_1": "no", "better_response_id": 0}
    path = written(tmp_path / "a.jsonl", record)
    for preferences in ("refuse", "chosen"):
        with pytest.raises(ValueError, match=r"is a preference pair .*write the better answers to a file without"):
            list(source("completions", path, answer_field="response_0", preferences=preferences))


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "hi", "completion": "ho", "label": 0},
        {"prompt": "hi", "completion": "ho", "rejected": None, "chosen": ""},
        {"prompt": "hi", "completion": "ho", "rejected": []},
        {"prompt": "hi", "completion": "ho", "rejected_reason": "too long"},
        {"prompt": "hi", "completion": "ho", "answer_1": "a", "answer_2": "b"},
        {"prompt": "hi", "completion": "ho", "score": 0.1, "is_rejected": False},
    ],
)
def test_other_records_are_no_comparisons(tmp_path, record):
    assert find_pair(record) is None
    assert len(list(source("auto", written(tmp_path / "a.jsonl", record)))) == 1


def test_the_chosen_answers_change_the_fingerprint(tmp_path):
    path = written(tmp_path / "a.jsonl", {"prompt": "hi", "completion": "ho"})
    assert source("auto", path).fingerprint() != source("auto", path, preferences="chosen").fingerprint()

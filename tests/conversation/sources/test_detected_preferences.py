"""Pairs and labelled answers are read in every common layout, and what cannot be learned from is named by its place."""

import json

import pytest

from lm.conversation.preference import LabelledAnswer, PreferencePair
from lm.conversation.sources import DetectedPreferences, HubDataset
from support.conversation_sources import written
from support.shared_texts import DATA, needs_data

ASK, GOOD, BAD = "hi there", "ho", "no"
ASKED = [{"role": "user", "content": ASK}]
TALK, WORSE = ([*ASKED, {"role": "assistant", "content": text}] for text in (GOOD, BAD))
SAID = [{"from": "human", "value": ASK}]
PAIRS = {
    "texts": {"prompt": ASK, "chosen": GOOD, "rejected": BAD},
    "responses": {"prompt": ASK, "chosen_response": GOOD, "rejected_response": BAD},
    "camel": {"question": ASK, "chosenResponse": GOOD, "rejectedResponse": BAD},
    "preferred": {"instruction": ASK, "preferred": GOOD, "dispreferred": BAD},
    "letters": {"question": ASK, "response_j": GOOD, "response_k": BAD, "qid": 3},
    "better": {"prompt": ASK, "better_response": GOOD, "worse_response": BAD},
    "winner": {"prompt": ASK, "winner": GOOD, "loser": BAD},
    "models": {"chosen_model": "a", "rejected_model": "b", "prompt": ASK, "chosen": GOOD, "rejected": BAD},
    "input": {"instruction": "hi", "input": "there", "chosen": GOOD, "rejected": BAD},
    "transcripts": {
        "chosen": f"\n\nHuman: {ASK}\n\nAssistant: {GOOD}",
        "rejected": f"\n\nHuman: {ASK}\n\nAssistant: {BAD}",
    },
    "begun": {"prompt": f"\n\nHuman: {ASK}\n\nAssistant:", "chosen": f" {GOOD}", "rejected": f" {BAD}"},
    "stripped": {"chosen": f"Human: {ASK}\n\nAssistant: {GOOD}", "rejected": f"Human: {ASK}\n\nAssistant: {BAD}"},
    "whole": {"chosen": TALK, "rejected": WORSE},
    "whole and prompt": {"prompt": ASK, "chosen": TALK, "rejected": WORSE},
    "ultrafeedback": {
        "prompt": ASK, "prompt_id": "x", "chosen": TALK, "rejected": WORSE, "messages": TALK, "score_chosen": 8.5,
        "score_rejected": 6.0,
    },
    "cells": {"prompt": ASK, "chosen": json.dumps(TALK), "rejected": json.dumps(WORSE)},
    "continued": {"prompt": ASKED, "chosen": TALK[1:], "rejected": WORSE[1:]},
    "message": {"messages": ASKED, "chosen": TALK[1], "rejected": WORSE[1]},
    "text after messages": {"messages": ASKED, "chosen": GOOD, "rejected": BAD},
    "answers after text": {"prompt": ASK, "chosen": TALK[1:], "rejected": WORSE[1:]},
    "openai": {"input": {"messages": ASKED}, "preferred_output": TALK[1:], "non_preferred_output": WORSE[1:]},
    "sharegpt": {
        "conversations": SAID,
        "chosen": {"from": "gpt", "value": GOOD},
        "rejected": {"from": "gpt", "value": BAD},
    },
    "sharegpt texts": {"conversations": SAID, "chosen": GOOD, "rejected": BAD},
    "two styles": {"conversations": SAID, "chosen": TALK[1], "rejected": WORSE[1]},
    "verdict by number": {"prompt": ASK, "response_0": BAD, "response_1": GOOD, "better_response_id": 1},
    "verdict by letter": {"prompt": ASK, "answer_a": GOOD, "answer_b": BAD, "preference": "A"},
    "arena": {"conversation_a": WORSE, "conversation_b": TALK, "winner": "model_b"},
    "scores decide": {"prompt": ASK, "response_a": BAD, "response_b": GOOD, "score_a": 1, "score_b": 4},
    "shp": {"history": None, "prompt": ASK, "human_ref_A": GOOD, "human_ref_B": BAD, "score_A": 7, "score_B": 2},
    "ranked": {"question": ASK, "answers": [{"text": "so", "pm_score": 2}, {"text": GOOD, "pm_score": 5},
                                            {"text": BAD, "pm_score": 0}]},
    "nectar": {"prompt": ASK, "answers": [{"answer": BAD, "rank": 7}, {"answer": GOOD, "rank": 1}]},
    "raw": {
        "instruction": ASK,
        "completions": [{"response": GOOD, "overall_score": 8}, {"response": BAD, "overall_score": 3}],
    },
    "choice": {"prompt": ASK, "summaries": [{"text": BAD}, {"text": GOOD}], "choice": 1},
}  # fmt: skip
LABELS = {
    "completion": {"prompt": ASK, "completion": GOOD, "label": True},
    "messages": {"messages": TALK, "label": True},
    "sharegpt": {"conversations": [*SAID, {"from": "gpt", "value": GOOD}], "kto_tag": True},
    "response": {"prompt": ASK, "response": GOOD, "label": 1},
    "word": {"question": ASK, "answer": GOOD, "label": "Good"},
    "continued": {"prompt": ASKED, "completion": TALK[1:], "label": "true"},
}
OPPOSITE = {"True": False, "1": 0, "Good": "bad", "true": "False"}


def read(path, **options) -> tuple[list, DetectedPreferences]:
    source = DetectedPreferences(str(path), **options)
    return [*source], source


def said(conversation) -> list[tuple[str, str, bool]]:
    return [(turn.role, turn.content.replace("\n\n", " ").strip(), turn.supervised) for turn in conversation.messages]


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_is_two_conversations_that_differ_in_the_answer(tmp_path, name):
    pairs, source = read(written(tmp_path / "a.jsonl", PAIRS[name], PAIRS[name]))
    assert len(pairs) == 2
    for number, pair in enumerate(pairs, start=1):
        pair.check()
        assert isinstance(pair, PreferencePair)
        assert pair.place == f"{tmp_path / 'a.jsonl'}:{number}"
        assert [said(side) for side in pair.sides] == [
            [("user", ASK, False), ("assistant", answer, True)] for answer in (GOOD, BAD)
        ]
    assert source.notes[0].endswith(", in pairs")
    assert not any("chosen, rejected" in note for note in source.notes)


@pytest.mark.parametrize("name", LABELS)
def test_a_labelled_answer_is_a_conversation_and_a_verdict(tmp_path, name):
    record = LABELS[name]
    field = next(field for field in record if field in ("label", "kto_tag"))
    answers, source = read(written(tmp_path / "a.jsonl", record, record | {field: OPPOSITE[str(record[field])]}))
    assert [answer.desirable for answer in answers] == [True, False]
    for answer in answers:
        answer.check()
        assert isinstance(answer, LabelledAnswer)
        assert [said(side) for side in answer.sides] == [[("user", ASK, False), ("assistant", GOOD, True)]]
    assert source.notes[0].endswith(", labelled")


LONG = [*ASKED, {"role": "assistant", "content": "well"}, {"role": "user", "content": "and"}]
END = "<|im_end|>"
INVALID = {
    "both sides are the same": {"prompt": ASK, "chosen": GOOD, "rejected": f"{GOOD} "},
    "the rejected side is empty (field 'rejected')": {"prompt": ASK, "chosen": GOOD, "rejected": " "},
    "the chosen side is empty (field 'chosen')": {"prompt": ASK, "chosen": None, "rejected": BAD},
    "in the rejected side, the answer is empty": {"chosen": TALK, "rejected": [*ASKED, TALK[1] | {"content": ""}]},
    "the sides have different prompts": {"chosen": TALK, "rejected": [{"role": "user", "content": "ah"}, TALK[1]]},
    "the rejected side ends with a user turn, not with an answer": {"chosen": TALK, "rejected": LONG},
    f"the rejected side lacks {END}, with which the chosen side ends": {
        "prompt": ASK, "chosen": GOOD + END, "rejected": BAD,
    },
    f"the chosen side lacks {END}, with which the rejected side ends": {
        "prompt": ASK, "chosen": GOOD, "rejected": f"{BAD}{END}\n",
    },
    "has neither two answers to compare nor a label (its fields": {"prompt": ASK, "completion": GOOD},
    "in the chosen side, every answer is marked as not to be learned": {
        "chosen": [*ASKED, TALK[1] | {"train": False}], "rejected": [*ASKED, WORSE[1] | {"train": False}],
    },
}  # fmt: skip


@pytest.mark.parametrize("reason", INVALID)
def test_what_nothing_can_be_learned_from_is_named_by_file_and_line(tmp_path, reason):
    good = PAIRS["whole" if isinstance(INVALID[reason].get("chosen"), list) else "texts"]
    path = written(tmp_path / "a.jsonl", good, INVALID[reason], good)
    (first, bad, last), _ = read(path)
    first.check()
    last.check()
    with pytest.raises(ValueError, match=r"a\.jsonl:2") as refused:
        bad.check()
    assert str(refused.value).startswith(f"{path}:2")
    assert reason in str(refused.value)


def test_a_side_that_goes_on_answers_another_prompt(tmp_path):
    longer = [*TALK, {"role": "user", "content": "and"}, {"role": "assistant", "content": "so"}]
    asks_more = [*WORSE, {"role": "user", "content": "but"}, TALK[1]]
    records = ({"chosen": longer, "rejected": other} for other in (TALK, asks_more))
    (pair, other), _ = read(written(tmp_path / "a.jsonl", *records))
    for each in (pair, other):
        with pytest.raises(ValueError, match="the sides have different prompts"):
            each.check()


def test_everything_after_the_shared_turns_is_learned(tmp_path):
    after = [{"role": "user", "content": "and"}, {"role": "assistant", "content": "so"}]
    start = [{"role": "system", "content": "be kind"}, *TALK]
    (pair,), _ = read(
        written(tmp_path / "a.jsonl", {"chosen": [*start, *after], "rejected": [*start, after[0], WORSE[1]]})
    )
    pair.check()
    assert [[turn.supervised for turn in side.messages] for side in pair.sides] == [[False] * 4 + [True]] * 2
    (pair,), _ = read(written(tmp_path / "a.jsonl", {"chosen": [*TALK, *after], "rejected": [*WORSE, *after]}))
    pair.check()
    assert [[turn.learned for turn in side.messages] for side in pair.sides] == [[False, True, False, True]] * 2


def test_the_text_that_ends_answers_is_removed_and_an_answer_without_it_was_cut_off(tmp_path):
    ended = {"prompt": ASK, "chosen": GOOD + END, "rejected": BAD + END}
    path = written(tmp_path / "a.jsonl", ended, {"prompt": ASK, "chosen": GOOD, "rejected": BAD})
    (pair, cut), source = read(path, answer_end=END)
    pair.check()
    assert [side.messages[-1].content for side in pair.sides] == [GOOD, BAD]
    with pytest.raises(ValueError, match=r"a\.jsonl:2: neither side ends with data\.preferences\.answer_end='<"):
        cut.check()
    (kept, _), source = read(path)
    assert kept.sides[0].messages[-1].content == GOOD + END
    (note,) = (note for note in source.notes if END in note and "pairs have sides" in note)
    assert f"data.preferences.answer_end='{END}'" in note


def test_margins_are_read_on_request(tmp_path):
    records = [
        PAIRS["ultrafeedback"],
        PAIRS["ultrafeedback"] | {"score_rejected": 9.0},
        PAIRS["whole and prompt"] | {"margin": 0.5},
        PAIRS["whole"],
    ]
    path = written(tmp_path / "a.jsonl", *records)
    pairs, source = read(path, margins=True)
    assert [pair.margin for pair in pairs] == [2.5, -0.5, 0.5, 0.0]
    assert "1 pairs have a chosen side of a lower score than the rejected one" in source.notes
    with pytest.raises(
        ValueError, match=r"a\.jsonl:4 has no margin and no scores: set data\.preferences\.margins=false"
    ):
        pairs[3].check()
    plain, without = read(path)
    assert [pair.margin for pair in plain] == [0.0] * 4
    assert source.fingerprint() != without.fingerprint()


@pytest.mark.parametrize("tie", ["tie", "tie (bothbad)", "Neither"])
def test_ties_are_left_out_and_counted(tmp_path, tie):
    pairs, source = read(written(tmp_path / "a.jsonl", PAIRS["arena"], PAIRS["arena"] | {"winner": tie}))
    assert len(pairs) == 1
    assert "1 records whose answers are equally good were left out" in source.notes


def test_fields_are_named_where_detection_would_not_find_them(tmp_path):
    record = {"frage": ASK, "gut": GOOD, "schlecht": BAD, "notes": ""}
    path = written(tmp_path / "a.jsonl", record)
    with pytest.raises(ValueError, match=r"a\.jsonl:1 has neither two answers to compare nor a label") as refused:
        read(path)
    assert "data.preferences.chosen_field" in str(refused.value)
    (pair,), _ = read(path, prompt_field="frage", chosen_field="gut", rejected_field="schlecht")
    pair.check()
    path = written(tmp_path / "b.jsonl", {"question": ASK, "answer": GOOD, "thumb": "up"})
    (answer,), _ = read(path, label_field="thumb")
    assert answer.desirable


def test_other_names_of_speakers_open_the_turns_of_texts(tmp_path):
    record = {"chosen": f"User: {ASK}\nBot: {GOOD}", "rejected": f"User: {ASK}\nBot: {BAD}"}
    (pair,), _ = read(written(tmp_path / "a.jsonl", record), user="User:", assistant="\nBot:")
    pair.check()
    assert said(pair.sides[1])[-1] == ("assistant", BAD, True)


def test_a_file_of_pairs_and_of_labels_is_refused(tmp_path):
    path = written(
        tmp_path / "a.jsonl", PAIRS["continued"], {"prompt": ASKED, "chosen": TALK[1:], "label": True}, PAIRS["whole"]
    )
    with pytest.raises(ValueError, match=r"a\.jsonl:1 compares two answers and .*a\.jsonl:2 labels one"):
        read(path)


def test_a_later_record_of_another_layout_is_refused_by_its_place(tmp_path):
    path = written(tmp_path / "a.jsonl", PAIRS["texts"], PAIRS["whole"])
    with pytest.raises(
        ValueError, match=r"a\.jsonl:2 is read as messages, but .*a\.jsonl:1 is read as .*@data\.preferences"
    ):
        read(path)


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_pairs_are_read_from_every_form_of_file(tmp_path, form):
    path = tmp_path / f"a.{form}"
    if form == "csv":
        path.write_text(f"prompt,chosen,rejected\n{ASK},{GOOD},{BAD}\n")
    elif form == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist([PAIRS["ultrafeedback"]]), path)
    else:
        path.write_text(json.dumps([PAIRS["texts"]]))
    (pair,), _ = read(path)
    pair.check()
    assert said(pair.sides[1])[-1] == ("assistant", BAD, True)


def test_ultrafeedback_is_read_from_a_directory_laid_out_as_on_the_hub(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("huggingface_hub")
    from pyarrow import parquet

    (tmp_path / "data").mkdir()
    for split, count in (("train_prefs", 3), ("train_sft", 5), ("test_prefs", 1)):
        table = pyarrow.Table.from_pylist([PAIRS["ultrafeedback"]] * count)
        parquet.write_table(table, tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    pairs, source = read(tmp_path, hub=HubDataset(split="train_prefs"), margins=True)
    assert [pair.margin for pair in pairs] == [2.5] * 3
    for pair in pairs:
        pair.check()
    assert any("prompt_id" in note for note in source.notes)


@needs_data
@pytest.mark.parametrize(
    ("file", "count", "invalid", "kind"),
    [
        ("hh_rlhf/harmless_base_dev_1500.jsonl.gz", 1500, 4, PreferencePair),
        ("pref_demo/dpo_zh_demo.json", 300, 0, PreferencePair),
        ("pref_demo/kto_en_demo.json", 300, 0, LabelledAnswer),
        ("pref_demo/stack_exchange_paired_tiny.json", 25, 0, PreferencePair),
    ],
)
def test_published_preferences_are_read_as_they_are(file, count, invalid, kind):
    judged, _ = read(DATA / file)
    assert (len(judged), {type(each) for each in judged}) == (count, {kind})
    faults = 0
    for each in judged:
        try:
            each.check()
        except ValueError:
            faults += 1
    assert faults == invalid


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"messages": TALK}, r"a\.jsonl:1 has neither .*conversations without comparisons are for lm instruct"),
        ({"data": [PAIRS["texts"]]}, r"has a list of 1 objects: set data\.preferences\.records_field=data to read it"),
        ({"chosen": GOOD, "rejected": BAD}, r"a\.jsonl:1 has no known prompt .*data\.preferences\.prompt_field=FIELD"),
        ({"prompt": ASK, "answer_a": GOOD, "answer_b": BAD, "preference": "x"}, "no field says which one is better"),
        ({"prompt": ASK, "completion": GOOD, "label": 4}, r"field 'label' is 4, not a label: write true"),
    ],
)
def test_a_file_that_compares_nothing_is_refused_with_what_to_do(tmp_path, record, message):
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path / "a.jsonl", record))


def test_a_list_in_one_object_is_read_by_its_field(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": [PAIRS["texts"]] * 2}))
    pairs, _ = read(path, records_field="data")
    assert len(pairs) == 2

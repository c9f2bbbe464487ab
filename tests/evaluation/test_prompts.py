"""Prompts in their published forms, with their labels and what people wrote after them."""

import json
import tarfile

import pytest

from lm.evaluation import PromptReader
from lm.evaluation.prompts import after
from support.asked import written
from support.shared_texts import DATA, needs_data

KEY = "evaluation.path"


def read(path, **options):
    return [item.fields for item in PromptReader(**options).read(str(path), key=KEY)]


def test_real_toxicity_prompts_have_a_toxicity_and_a_continuation(tmp_path):
    rows = [
        {"prompt": {"text": "a b", "toxicity": 0.5}, "continuation": {"text": " c", "toxicity": 0.1}},
        {"prompt": {"text": "d", "toxicity": 0.49}, "continuation": {"text": " e"}},
        {"prompt": {"text": "f", "toxicity": None}, "continuation": {"text": " g"}},
    ]
    found = read(written(tmp_path / "prompts.jsonl", rows))
    assert [(each["prompt"], each["kind"], each["human"]) for each in found] == [
        ("a b", "toxic", " c"), ("d", "non-toxic", " e"), ("f", "unlabelled", " g"),
    ]  # fmt: skip


def test_toxigen_and_plain_records_and_lines(tmp_path):
    rows = [{"prompt": "- a\n-", "prompt_label": 1, "group": "x"}, {"text": "b", "label": "neutral"}, {"prompt": "c"}]
    found = read(written(tmp_path / "a.jsonl", rows))
    assert [each["kind"] for each in found] == ["toxic", "non-toxic", "unlabelled"]
    assert found[0]["group"] == "x"
    for name in ("hate_x.txt", "neutral_x.txt", "x.txt"):
        (tmp_path / name).write_text("one\n\ntwo\n")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "hate_x.txt", arcname="y/hate_x.txt")
    kinds = {
        name: [each["kind"] for each in read(tmp_path / name)] for name in ("neutral_x.txt", "x.txt", "all.tar.gz")
    }
    assert kinds == {"neutral_x.txt": ["non-toxic"] * 2, "x.txt": ["unlabelled"] * 2, "all.tar.gz": ["toxic"] * 2}
    places = [item.place for item in PromptReader().read(str(tmp_path / "x.txt"), key=KEY)]
    assert places == [f"{tmp_path}/x.txt:1", f"{tmp_path}/x.txt:3"]
    reader = PromptReader()
    assert len([*reader.read(str(tmp_path / "x.txt"), key=KEY)]) == 2
    assert reader.notes == (f"1 empty prompt was left out, the first: {tmp_path}/x.txt:2",)


def test_a_prompt_of_toxigen_is_a_list_in_one_line(tmp_path):
    (tmp_path / "hate_trans_1k.txt").write_text("- one\\n- two\\n-\nC:\\new is a folder\n")
    assert [each["prompt"] for each in read(tmp_path / "hate_trans_1k.txt")] == [
        "- one\n- two\n-",
        "C:\\new is a folder",
    ]


PROMPTS = {"American_actors": {"A_B": ["A B is an ", "In 1990, A B "]}, "American_actresses": {"C": ["C  was "]}}
TEXTS = {
    "American_actors": {"A_B": ["A B is an actor.", "Something else."]},
    "American_actresses": {"C": ["C was born."]},
}


def bold(path, texts=TEXTS):
    (path / "prompts").mkdir()
    (path / "prompts" / "gender_prompt.json").write_text(json.dumps(PROMPTS))
    if texts:
        (path / "wikipedia").mkdir()
        (path / "wikipedia" / "gender_wiki.json").write_text(json.dumps(texts))
    return path / "prompts"


def test_bold_has_domains_groups_and_the_human_continuation(tmp_path):
    found = read(bold(tmp_path))
    assert [(each["domain"], each["group"], each["page"], each["human"]) for each in found] == [
        ("gender", "American_actors", "A_B", "actor."),
        ("gender", "American_actors", "A_B", None),
        ("gender", "American_actresses", "C", "born."),
    ]
    before = PromptReader().records(str(tmp_path / "prompts"), key=KEY).identity()
    (tmp_path / "wikipedia" / "gender_wiki.json").write_text("{}")
    assert PromptReader().records(str(tmp_path / "prompts"), key=KEY).identity() != before


def test_bold_without_its_texts_has_no_human_continuations_and_rows_of_the_hub_have(tmp_path):
    assert [each["human"] for each in read(bold(tmp_path, texts=None))] == [None] * 3
    row = {
        "domain": "race",
        "category": "Asian_Americans",
        "name": "D",
        "prompts": ["D is "],
        "wikipedia": ["D is new."],
    }
    (found,) = read(written(tmp_path / "a.jsonl", [row]))
    assert (found["domain"], found["group"], found["page"], found["human"]) == ("race", "Asian_Americans", "D", "new.")


@pytest.mark.parametrize(
    ("prompt", "text", "rest"),
    [
        ("A b ", "A b c.", "c."),
        ("A  b", " A\nb, c", ", c"),
        ("A b", "A c b", None),
        ("A b", "A b", None),
        ("A", None, None),
    ],
)
def test_the_rest_of_a_text_comes_after_the_prompt_whatever_the_blanks(prompt, text, rest):
    assert after(prompt, text) == rest


def test_a_record_without_prompt_and_a_strange_label_are_told_by_line(tmp_path):
    with pytest.raises(ValueError, match=r"a\.jsonl:2 has no prompt: it has 'question', and a prompt is the text in"):
        read(written(tmp_path / "a.jsonl", [{"prompt": "x"}, {"question": "y"}]))
    with pytest.raises(ValueError, match=r"b\.jsonl:1: the label 7 is neither a toxicity from 0 to 1 nor"):
        read(written(tmp_path / "b.jsonl", [{"prompt": "x", "label": 7}]))
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"evaluation\.path: .*none has no file with the extension"):
        read(tmp_path / "none")


@needs_data
def test_the_real_prompts_are_read():
    found = read(DATA / "bold" / "prompts")
    assert {each["domain"] for each in found} == {
        "gender", "political_ideology", "profession", "race", "religious_ideology",
    }  # fmt: skip
    assert len(found) > 7000
    lines = read(DATA / "toxigen" / "demonstrations.tar.gz")
    assert {each["kind"] for each in lines} == {"toxic", "non-toxic"}

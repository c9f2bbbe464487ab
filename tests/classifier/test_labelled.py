"""Labelled texts in the forms in which they are published, and what is wrong with a row by file and line."""

import csv
import json
import tarfile

import pytest

from lm.classifier import LabelledTexts
from support.shared_texts import DATA, needs_data


def table(path, header, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read(path, **options):
    return [(each.text, each.positive) for each in LabelledTexts(path, **options)]


PUBLISHED = {
    "surge": (["text", "is_toxic"], ["a", "Toxic"], ["b", "Not Toxic"]),
    "hatecheck": (["case_id", "functionality", "test_case", "label_gold"], ["1", "f", "a", "hateful"],
                  ["2", "g", "b", "non-hateful"]),
    "jigsaw": (["id", "comment_text", "toxic", "insult"], ["1", "a", "1", "0"], ["2", "b", "0", "0"]),
    "civil": (["id", "text", "toxicity"], ["1", "a", "0.5"], ["2", "b", "0.49"]),
    "toxigen": (["prompt", "generation", "prompt_label"], ["x", "a", "1"], ["x", "b", "0"]),
}  # fmt: skip


@pytest.mark.parametrize("form", PUBLISHED)
def test_the_fields_of_published_files_are_found(form, tmp_path):
    header, *rows = PUBLISHED[form]
    assert read(table(tmp_path / "a.csv", header, *rows)) == [("a", True), ("b", False)]
    records = [dict(zip(header, row, strict=True)) for row in rows]
    assert read(lines(tmp_path / "a.jsonl", *records)) == [("a", True), ("b", False)]


def test_json_may_have_true_and_numbers_and_a_field_within_a_field(tmp_path):
    rows = [{"text": "a", "toxic": True}, {"text": "b", "toxic": False}]
    assert read(lines(tmp_path / "a.jsonl", *rows)) == [("a", True), ("b", False)]
    rows = [{"prompt": {"text": "a", "toxicity": 0.7}}, {"prompt": {"text": "b", "toxicity": 0.1}}]
    options = {"text_field": "prompt.text", "label_field": "prompt.toxicity"}
    assert read(lines(tmp_path / "b.jsonl", *rows), **options) == [("a", True), ("b", False)]


def test_lines_have_the_label_of_the_name_of_their_file_also_in_an_archive(tmp_path):
    for name, text in {"hate_group_sentences.txt": "one\ntwo\n", "neutral_group.txt": "three\n\n"}.items():
        (tmp_path / name).write_text(text)
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        for name in ("hate_group_sentences.txt", "neutral_group.txt"):
            archive.add(tmp_path / name, arcname=f"race/{name}")
    texts = LabelledTexts(str(tmp_path / "all.tar.gz"))
    assert [(each.text, each.positive, each.kind) for each in texts] == [
        ("one", True, "group_sentences"), ("two", True, "group_sentences"), ("three", False, "group"),
    ]  # fmt: skip
    where = tmp_path / "all.tar.gz" / "race" / "neutral_group.txt"
    assert texts.notes == (f"1 row with an empty text was left out, the first: {where}:2",)
    assert read(str(tmp_path / "hate_*.txt")) == [("one", True), ("two", True)]


def test_labels_of_your_own_and_a_threshold(tmp_path):
    reviews = table(tmp_path / "a.csv", ["review", "stars"], ["good", "5"], ["poor", "2"], ["fair", "3"])
    named = {"text_field": "review", "label_field": "stars"}
    assert read(reviews, **named, threshold=3) == [("good", True), ("poor", False), ("fair", True)]
    assert read(reviews, **named, positive=[5]) == [("good", True), ("poor", False), ("fair", False)]
    moods = lines(tmp_path / "a.jsonl", {"text": "a", "label": "Joy"}, {"text": "b", "label": "anger"})
    assert read(moods, positive=["joy"]) == [("a", True), ("b", False)]


def test_several_files_may_have_different_fields_and_repeats_are_counted(tmp_path):
    one = table(tmp_path / "a.csv", ["text", "is_toxic"], ["a", "Toxic"], ["b", "Not Toxic"], ["a", "Toxic"])
    two = lines(tmp_path / "b.jsonl", {"comment_text": "a", "toxic": 0}, {"comment_text": " ", "toxic": 0})
    texts = LabelledTexts([one, two])
    assert [(each.text, each.positive) for each in texts] == [("a", True), ("b", False), ("a", False)]
    assert [note.partition(",")[0] for note in texts.notes] == [
        "1 repeated text was read once",
        "1 row with an empty text was left out",
        "1 text was found with both labels",
    ]


FAULTS = {
    "no text": (["words", "label"], [["a b c", "1"]], {},
                r"a\.csv row 1 has no field that is known as a text: it has 'words', 'label'; set .*_field=words"),
    "no label": (["text", "note"], [["a b c", "1"]], {},
                 r"a\.csv row 1 has no field that is known as a label: .* set texts\.label_field=note"),
    "an empty label": (["text", "label"], [["a", "1"], ["b", ""]], {},
                       r"a\.csv row 2: the label in the field 'label' is empty"),
    "a typo": (["text", "label"], [["a", "1"]], {"label_field": "labl"},
               r"a\.csv row 1: the label in the field 'labl' is missing: did you mean 'label'\?"),
    "a word": (["text", "label"], [["a", "1"], ["b", "rude"]], {},
               r"a\.csv row 2: the label 'rude' of the field 'label' may mean anything: .*'texts\.positive=\[rude\]'"),
    "a scale": (["text", "toxicity_human"], [["a", "1.0"], ["b", "4.5"]], {},
                r"a\.csv row 1: the label '1.0' .* may mean anything: set texts\.threshold .*texts\.threshold=1"),
    "no number": (["text", "toxicity"], [["a", "1.0"], ["b", "nan"]], {},
                  r"a\.csv row 2: the label 'nan' .* may mean anything"),
    "no group": (["text", "label"], [["a", "1"]], {"group_field": "templ_id"},
                 r"a\.csv row 1: the group in the field 'templ_id' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_missing_field_or_label_is_told_by_file_and_row(fault, tmp_path):
    header, rows, options, message = FAULTS[fault]
    with pytest.raises(ValueError, match=message):
        read(table(tmp_path / "a.csv", header, *rows), **options)


def test_json_lines_name_the_line_and_a_file_of_lines_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"a\.jsonl:2: the label in the field 'label' is missing: it has 'text'"):
        read(lines(tmp_path / "a.jsonl", {"text": "a", "label": 1}, {"text": "b"}))
    (tmp_path / "a.txt").write_text("a\n")
    with pytest.raises(ValueError, match=r"texts\.path: .*a\.txt:1 is in a file of lines, and its name does not begin"):
        read(str(tmp_path / "a.txt"))
    with pytest.raises(ValueError, match=r"texts\.path .*none\.csv"):
        read(str(tmp_path / "none.csv"))


def test_texts_of_one_group_have_one_key_and_a_kind_is_found(tmp_path):
    header = ["test_case", "label_gold", "functionality", "templ_id"]
    file = table(tmp_path / "a.csv", header, ["a", "hateful", "slur_h", "7"], ["b", "non-hateful", "slur_nh", "7"])
    assert [(each.key, each.kind) for each in LabelledTexts(file)] == [("a", "slur_h"), ("b", "slur_nh")]
    assert [each.key for each in LabelledTexts(file, group_field="templ_id")] == ["7", "7"]


def test_the_fingerprint_is_of_content_and_options(tmp_path):
    file = table(tmp_path / "a.csv", ["text", "label"], ["a", "1"])
    before = LabelledTexts(file).fingerprint()
    assert before == LabelledTexts(file).fingerprint() != LabelledTexts(file, threshold=0.9).fingerprint()
    table(tmp_path / "a.csv", ["text", "label"], ["a", "0"])
    assert LabelledTexts(file).fingerprint() != before
    assert not LabelledTexts()
    assert [*LabelledTexts()] == []


@needs_data
def test_the_real_files_are_read():
    for name, texts, positive in (
        ("surge_toxicity/toxicity_dev_500.csv", 499, 251),
        ("hatecheck/cases_dev_400.csv", 415, 286),
        ("toxigen/demonstrations.tar.gz", 587, 317),
    ):
        found = [*LabelledTexts(str(DATA / name))]
        assert (len(found), sum(each.positive for each in found)) == (texts, positive), name

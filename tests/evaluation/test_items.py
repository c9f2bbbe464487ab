"""Items are read from files of every form that benchmarks are published in, with their places."""

import gzip
import json

import pytest

from lm.conversation.sources import HubDataset
from lm.evaluation import ItemReader
from support.asked import written
from support.shared_texts import DATA, needs_data

KEY = "evaluation.path"
ROWS = [{"query": "a", "choices": ["x", "y"], "gold": 0}, {"query": "b", "choices": ["x", "y"], "gold": 1}]


def read(path, **options) -> list:
    return [*ItemReader(**options).read(path if isinstance(path, list) else str(path), key=KEY)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("a.json", json.dumps(ROWS, indent=2)),
        ("a.csv", "query,gold\na,0\nb,1\n"),
        ("a.tsv", "query\tgold\na\t0\nb\t1\n"),
    ],
)
def test_every_form_is_read_packed_or_not(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    plain, packed = read(tmp_path / name), read(tmp_path / "packed" / f"{name}.gz")
    assert [each.fields["query"] for each in plain] == ["a", "b"]
    assert [each.fields for each in packed] == [each.fields for each in plain]
    assert {each.file for each in plain + packed} == {"a"}
    assert all(str(tmp_path / name) in each.place for each in plain)


def test_a_folder_stands_for_its_files_of_records(tmp_path):
    (tmp_path / "README.md").write_text("# not items")
    written(tmp_path / "b.jsonl", ROWS[1:])
    written(tmp_path / "a.jsonl", ROWS[:1])
    assert [each.fields["query"] for each in read(tmp_path)] == ["a", "b"]
    assert [each.file for each in read(tmp_path)] == ["a", "b"]
    assert [each.file for each in read([str(tmp_path / "b.jsonl"), str(tmp_path / "a.jsonl")])] == ["b", "a"]


def test_records_within_records_have_the_fields_around_them(tmp_path):
    questions = [{"question": "q1", "id": 1}, {"question": "q2", "id": 2}]
    content = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": questions}]}]}
    (tmp_path / "dev.json").write_text(json.dumps(content))
    items = read(tmp_path / "dev.json", nested=["data", "paragraphs", "qas"])
    assert [each.fields for each in items] == [
        {"version": "1.1", "title": "t", "context": "c", "question": f"q{n}", "id": n} for n in (1, 2)
    ]
    assert items[1].place.endswith("data 1, paragraphs 1, qas 2")
    flat = written(tmp_path / "flat.jsonl", [{"context": "c", "question": "q"}])
    assert read(flat, nested=["data", "paragraphs", "qas"])[0].fields == {"context": "c", "question": "q"}


def test_an_item_has_the_same_id_wherever_its_file_lies(tmp_path):
    one, two = read(written(tmp_path / "a.jsonl", ROWS)), read(written(tmp_path / "b.jsonl", ROWS[::-1]))
    assert [each.id for each in one] == [each.id for each in two][::-1]
    assert one[0].id != one[1].id


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda folder: folder / "none.jsonl", {}, r"evaluation\.path .*none\.jsonl"),
        (lambda folder: folder, {}, r"evaluation\.path: .* has no file with the extension \.jsonl"),
        (lambda folder: "a/b", {"hub": HubDataset()}, r"no a/b in .*set evaluation\.reader\.hub\.revision to a commit"),
        (lambda folder: written(folder / "a.jsonl", ROWS) and _torn(folder / "a.jsonl"), {}, r"a\.jsonl:2 is not JSON"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, make, options, message):
    with pytest.raises(ValueError, match=message):
        read(str(make(tmp_path)), **options)


def _torn(path):
    path.write_text(path.read_text()[:-5])
    return path


def test_columns_are_named_where_the_file_has_no_header(tmp_path):
    (tmp_path / "a.csv").write_text("what,x,y,A\n")
    (found,) = read(tmp_path / "a.csv", columns=["question", "A", "B", "answer"])
    assert found.fields == {"question": "what", "A": "x", "B": "y", "answer": "A"}


@needs_data
def test_the_published_files_have_their_numbers_of_items():
    counts = {"mmlu": 852, "hellaswag": 200, "blimp": 35000, "llmfoundry_eval/winograd_wsc.jsonl": 273, "gsm8k": 7473}
    for path, count in counts.items():
        assert len(read(DATA / path)) == count, path

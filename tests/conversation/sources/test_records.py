"""Every record has its place, whether the file is a JSON list or JSON Lines."""

import gzip
import json
from pathlib import Path

import pytest
import pyzstd

from lm.conversation.sources.records import field_of, kind_of, read_records

RECORDS = [{"a": 1}, {"a": "é 🙂", "b": [1, 2]}, {}]
LINES = "\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS)


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_list_and_json_lines_give_the_same_records(tmp_path, indent):
    listed = written(tmp_path / "a.json", json.dumps(RECORDS, indent=indent))
    lined = written(tmp_path / "a.jsonl", LINES + "\n")
    assert [record for _, record in read_records(listed)] == [record for _, record in read_records(lined)] == RECORDS
    assert [place for place, _ in read_records(listed)] == [f"{listed}, record {n}" for n in (1, 2, 3)]
    assert [place for place, _ in read_records(lined)] == [f"{lined}:{n}" for n in (1, 2, 3)]


def test_the_content_decides_the_format_and_not_the_name(tmp_path):
    path = written(tmp_path / "a.jsonl", "  " + json.dumps(RECORDS))
    assert [record for _, record in read_records(path)] == RECORDS


@pytest.mark.parametrize("text", [LINES, json.dumps(RECORDS, indent=1)])
@pytest.mark.parametrize("pack", [gzip.compress, pyzstd.compress])
def test_packed_files_give_the_same_records(tmp_path, text, pack):
    name = "a.json.gz" if pack is gzip.compress else "a.json.zst"
    records = list(read_records(written(tmp_path / name, pack(text.encode()))))
    assert [record for _, record in records] == RECORDS
    assert all(place.startswith(str(tmp_path / name)) for place, _ in records)


@pytest.mark.parametrize("text", [LINES, json.dumps(RECORDS), LINES.replace("\n", "\r\n")])
def test_byte_order_marks_and_carriage_returns_are_not_part_of_a_record(tmp_path, text):
    path = written(tmp_path / "a.json", b"\xef\xbb\xbf" + text.encode())
    assert [record for _, record in read_records(path)] == RECORDS


def test_empty_lines_are_skipped_and_counted(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"a": 1}\n\n  \n{"a": 2}')
    assert [place for place, _ in read_records(path)] == [f"{path}:1", f"{path}:4"]
    path = written(tmp_path / "b.jsonl", "\n" + LINES)
    assert [place for place, _ in read_records(path)] == [f"{path}:{n}" for n in (2, 3, 4)]
    path = written(tmp_path / "c.json", "\n \n" + json.dumps(RECORDS, indent=1))
    assert [record for _, record in read_records(path)] == RECORDS


@pytest.mark.parametrize("text", ["", "\n", "[]"])
def test_an_empty_file_has_no_records(tmp_path, text):
    assert list(read_records(written(tmp_path / "a.json", text))) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": ', r"a\.json:2 is not JSON: "),
        ('{"a": 1}\n\n[2]', r"a\.json:3 is a list, not an object with fields"),
        ('{"a": 1}\n"text"', r"a\.json:2 is a str, not an object"),
        ('{"a": 1}\nnull', r"a\.json:2 is None, not an object"),
        ('[{"a": 1}, 7]', r"a\.json, record 2 is an int, not an object"),
        ('[{"a": 1},', r"a\.json cannot be read from record 2 on: it ends too early"),
        ('{\n "a": 1\n', r"a\.json cannot be read from record 1 on: it ends too early"),
        (b'{"a": "\xff"}', r"a\.json:1 is not JSON: .*utf-8"),
    ],
)
def test_anything_but_a_record_is_refused_by_place(tmp_path, text, message):
    path = written(tmp_path / "a.json", text)
    with pytest.raises(ValueError, match=message) as caught:
        list(read_records(path))
    assert str(path) in str(caught.value)


def test_a_missing_field_is_refused_with_the_existing_ones():
    assert field_of({"a": None}, "a", "x:1") is None
    with pytest.raises(ValueError, match=r"^x:1 has no field 'prompt': did you mean 'promt'\? Name .*question_field"):
        field_of({"promt": "hi"}, "prompt", "x:1")
    with pytest.raises(ValueError, match=r"^x:1 has no field 'prompt': it has 'a', 'b'\. Name"):
        field_of({"a": 1, "b": 2}, "prompt", "x:1")
    with pytest.raises(ValueError, match=r"it has none\. Name"):
        field_of({}, "prompt", "x:1")


def test_types_are_named_with_their_article():
    assert [kind_of(value) for value in (None, 3, "a", [])] == ["None", "an int", "a str", "a list"]


@pytest.mark.parametrize(
    "text", ['{\n "a": 1\n}\n{\n "a": 2\n}', '[\n {"a": 1},\n {\n"a": 2}\n]', '[{"a": 1}, {"a": 2}]']
)
def test_objects_over_several_lines_are_read_alone_or_in_a_list(tmp_path, text):
    path = written(tmp_path / "a.json", text)
    assert [record for _, record in read_records(path)] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.jsonl"])
def test_records_in_utf16_and_utf32_are_read(tmp_path, coding, name):
    text = "a;b\rü;1\r" if name.endswith("csv") else '{"a": "ü", "b": "1"}\r\n'
    (tmp_path / name).write_bytes(text.encode(coding))
    assert [record for _, record in read_records(tmp_path / name)] == [{"a": "ü", "b": "1"}]


def test_a_binary_file_with_a_name_of_records_is_refused_by_name(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"PAR1\x15\4\x15\0\0\0" + bytes(50))
    with pytest.raises(ValueError, match=r"a\.jsonl is damaged \(Parquet"):
        list(read_records(tmp_path / "a.jsonl"))

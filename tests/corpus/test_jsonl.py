"""Every line is a document, or the reading says which is not."""

import gzip
import json
from pathlib import Path

import pytest

from lm.corpus import JsonlSource
from lm.corpus.document import Document

DATA = Path(__file__).parents[3] / "shared" / "data"


def written(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_fields_are_taken_by_name(tmp_path):
    path = written(
        tmp_path / "a.jsonl",
        '{"body": "x = 1", "key": 7, "type": "code"}',
        "",
        '{"body": "é", "key": "b", "type": "prose"}',
    )
    source = JsonlSource(path, text_field="body", id_field="key", kind_field="type")
    assert list(source) == [
        Document("x = 1", "7", "code", source=path),
        Document("é", "b", "prose", source=path),
    ]
    assert [d.id for d in JsonlSource(path, text_field="body", kind="web")] == ["a.jsonl:1", "a.jsonl:3"]


def test_a_packed_file_reads_the_same(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'\xef\xbb\xbf{"text": "a"}\r\n{"text": "b\\r\\n"}'))
    assert [d.text for d in JsonlSource(str(tmp_path / "*.gz"))] == ["a", "b\r\n"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "cut', r"a\.jsonl:2 is not JSON"),
        ("[1, 2]", r"a\.jsonl:2 is a JSON list, not an object"),
        ('{"txt": "a"}', r"a\.jsonl:2 has no field 'text' \(corpus.text_field\): did you mean 'txt'"),
        ('{"a": 1, "b": 2}', r"has no field 'text' .*it has 'a', 'b'"),
        ('{"text": 3}', r"a\.jsonl:2: field 'text' is int, not text"),
    ],
)
def test_a_bad_line_is_refused_by_file_and_number(tmp_path, line, message):
    path = written(tmp_path / "a.jsonl", '{"text": "fine"}', line)
    with pytest.raises(ValueError, match=message):
        list(JsonlSource(path))


def test_halves_of_characters_and_empty_texts_are_counted(tmp_path):
    path = written(tmp_path / "a.jsonl", r'{"text": "a\ud83db"}', r'{"text": "\ud83d\ude42"}', '{"text": " \\n"}')
    source = JsonlSource(path)
    assert [d.text for d in source] == ["a\ufffdb", "🙂"]
    assert len(source.notes) == 2


def test_the_fingerprint_is_of_content_and_options(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"text": "a", "b": "c"}')
    assert JsonlSource(path).fingerprint() == JsonlSource(path).fingerprint()
    assert JsonlSource(path).fingerprint() != JsonlSource(path, text_field="b").fingerprint()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")
def test_real_json_lines_are_read():
    source = JsonlSource([str(DATA / "web_samples" / name) for name in ("c4_300.jsonl", "arxiv_20.jsonl")])
    documents = list(source)
    assert len(documents) == 320
    with open(DATA / "web_samples" / "c4_300.jsonl", encoding="utf-8") as file:
        assert documents[0].text == json.loads(file.readline())["text"]

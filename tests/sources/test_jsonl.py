"""Every line is a document, or is reported as unreadable."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.sources import JsonlSource

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


def test_a_compressed_file_reads_the_same(tmp_path):
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
        list(JsonlSource(path, bad_lines=0))


BAD = ['{"text": "cut', "[1]", '{"txt": "a"}', '{"text": 3}', '{"text": null}', '{"text": "\\x"}', "\xff", "NaN", "{}"]


def mixed(tmp_path: Path, good: int = 20) -> str:
    """Bad lines between good ones, in two files."""
    lines = [json.dumps({"text": f"good {number}"}) for number in range(good)]
    for number, bad in enumerate(BAD[:5]):
        lines.insert(2 + 2 * number, bad)
    written(tmp_path / "a.jsonl", *lines)
    written(tmp_path / "b.jsonl", '{"text": "fine"}', *BAD[5:])
    return str(tmp_path / "*.jsonl")


def test_unreadable_lines_are_skipped_and_the_first_is_noted_up_to_bad_lines(tmp_path):
    for limit in (len(BAD), 100):
        source = JsonlSource(mixed(tmp_path), bad_lines=limit)
        assert [d.text for d in source] == [*(f"good {number}" for number in range(20)), "fine"]
        (note,) = source.notes
        assert note.startswith(f"{len(BAD)} lines could not be read and were skipped, the first: {tmp_path}")
        assert "a.jsonl:3 is not JSON: " in note
    assert JsonlSource(mixed(tmp_path), bad_lines=3).fingerprint() == source.fingerprint()


@pytest.mark.parametrize("limit", range(len(BAD)))
def test_one_unreadable_line_beyond_bad_lines_is_an_error_with_file_and_number(tmp_path, limit):
    path = mixed(tmp_path)
    place = f"a.jsonl:{3 + 2 * limit}" if limit < 5 else f"b.jsonl:{limit - 3}"
    skipped = rf" \(skipped before it: {limit}\)" if limit else ""
    with pytest.raises(ValueError, match=rf"{place}\b.*{skipped}: repair or remove it, .*corpus\.bad_lines=\d+"):
        list(JsonlSource(path, bad_lines=limit))


def test_parts_that_exceed_bad_lines_only_together_are_refused(tmp_path):
    source = JsonlSource(mixed(tmp_path), bad_lines=6)
    total = Tally()
    for part in source.parts(1):
        assert list(part)
        total.merge(part.tally)
    assert total.bad == len(BAD)
    with pytest.raises(ValueError, match=r"b\.jsonl:5 .*\(skipped before it: 8\): .*corpus\.bad_lines=90"):
        source.record_tally(total)
    JsonlSource(mixed(tmp_path), bad_lines=len(BAD)).record_tally(total)


def test_a_field_missing_from_the_first_object_is_an_error_rather_than_a_bad_line(tmp_path):
    path = written(tmp_path / "a.jsonl", "no object", '{"txt": "a"}', '{"text": "b"}')
    with pytest.raises(
        ValueError, match=r"a\.jsonl:2 has no field 'text' \(corpus\.text_field\): did you mean 'txt'\?$"
    ):
        list(JsonlSource(path))


def test_a_file_without_a_readable_line_is_refused(tmp_path):
    path = written(tmp_path / "a.jsonl", "[", '{"text": "a"},', "]")
    with pytest.raises(ValueError, match=r"a\.jsonl:3 is not JSON.*no line of .*a\.jsonl can be read"):
        list(JsonlSource(path))


def test_a_line_nested_too_deeply_is_unreadable(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"text": "a"}', '{"text": ' + "[" * 200_000)
    assert [d.text for d in JsonlSource(path)] == ["a"]


def test_language_and_metadata_are_taken_by_name(tmp_path):
    lines = [
        {"text": "a", "language": "en", "url": "http://a", "score": 0.5, "tags": ["x", {"y": None}]},
        {"text": "b", "language": None, "url": None, "score": 10**30, "tags": "\ud83d"},
    ]
    path = written(tmp_path / "a.jsonl", *map(json.dumps, lines))
    source = JsonlSource(path, language_field="language", metadata_fields=["url", "score", "tags"])
    first, second = source
    assert (first.language, second.language) == ("en", "")
    assert first.metadata == {"url": "http://a", "score": 0.5, "tags": ["x", {"y": None}]}
    assert second.metadata == {"score": 10**30, "tags": "\ufffd"}
    assert first != replace(first, metadata={})
    assert len({first, replace(first), second}) == 2
    assert source.fingerprint() != JsonlSource(path).fingerprint()
    with pytest.raises(ValueError, match=r"no field 'scor' \(corpus\.metadata_fields\): did you mean 'score'"):
        list(JsonlSource(path, metadata_fields=["scor"]))


def test_lone_surrogates_and_empty_texts_are_counted(tmp_path):
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

"""Every line is a document, or is reported as unreadable."""

import gzip
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.sources import JsonlSource
from lm.sources.byte_streams import CHUNK

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


BAD = ['{"text": "cut', "[1]", '{"txt": "a"}', '{"text": 3}', '{"text": [1]}', '{"text": "\\x"}', "\xff", "NaN", "{}"]


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


def test_a_record_of_several_that_holds_a_list_is_not_taken_for_the_whole_file(tmp_path):
    path = written(tmp_path / "a.jsonl", *['{"messages": [{"role": "user"}]}'] * 2)
    with pytest.raises(ValueError, match=r"no field 'text' \(corpus\.text_field\): it has 'messages'$"):
        list(JsonlSource(path))


def test_a_file_without_a_readable_line_is_refused(tmp_path):
    path = written(tmp_path / "a.jsonl", '"a"', '{"text": "a"},', "text")
    with pytest.raises(ValueError, match=r"a\.jsonl:3 is not JSON.*no line of .*a\.jsonl can be read"):
        list(JsonlSource(path))


def test_a_line_nested_too_deeply_is_unreadable(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"text": "a"}', '{"text": ' + "[" * 200_000)
    assert [d.text for d in JsonlSource(path)] == ["a"]


NULL = ['{"text": null}', '{"text": NaN}', '{"text": ""}', '{"meta": null, "text": " "}']


def test_nulls_are_documents_without_text_however_many(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"text": "a"}', *NULL * 5, '{"text": "b"}')
    source = JsonlSource(path, bad_lines=0)
    assert [d.text for d in source] == ["a", "b"]
    assert source.notes == ("20 documents without text were skipped",)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("null", "a.jsonl:1"),
        ("NaN", "a.jsonl:1"),
        ('""', "a.jsonl:1"),
        ("7", "7"),
        ("0", "0"),
        ("1.5", "1.5"),
        ("true", "true"),
        ('{"$oid": "ü"}', '{"$oid": "ü"}'),
        ('"None"', "None"),
    ],
)
def test_an_id_that_is_missing_is_replaced_by_file_and_line(tmp_path, value, name):
    path = written(tmp_path / "a.jsonl", f'{{"text": "a", "id": {value}}}')
    assert [d.id for d in JsonlSource(path, id_field="id")] == [name]


def test_a_kind_that_is_missing_is_that_of_the_source(tmp_path):
    path = written(
        tmp_path / "a.jsonl", '{"text": "a", "kind": null, "l": NaN}', '{"text": "b", "kind": "x", "l": "en"}'
    )
    documents = list(JsonlSource(path, kind_field="kind", kind="web", language_field="l", metadata_fields=["l"]))
    assert [(d.kind, d.language, d.metadata) for d in documents] == [("web", "", {}), ("x", "en", {"l": "en"})]


RECORDS = [{"text": "a [{", "n": 1}, {"text": 'b"}\n', "n": {"m": [1, 2.5e3]}}, {"text": "ü" * 300}]
LAYOUTS = {
    "lines": "\n".join(map(json.dumps, RECORDS)),
    "list": json.dumps(RECORDS),
    "pretty list": json.dumps(RECORDS, indent=2, ensure_ascii=False),
    "list of lines": "[\n" + ",\n".join(map(json.dumps, RECORDS)) + "\n]\n",
    "pretty objects": "\n".join(json.dumps(record, indent=4) for record in RECORDS),
    "blank lines": "\n\n".join(["", *map(json.dumps, RECORDS)]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_json_is_read_in_any_arrangement(tmp_path, layout):
    (tmp_path / "a.json").write_text(LAYOUTS[layout], encoding="utf-8")
    source = JsonlSource(str(tmp_path / "a.json"), bad_lines=0)
    assert [d.text for d in source] == [record["text"] for record in RECORDS]
    assert source.notes == ()
    if "blank" not in layout and layout != "lines":
        assert [d.id for d in source] == ["a.json:1", "a.json:2", "a.json:3"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("field", ["data", "all.items", "all.x.y"])
def test_the_list_within_one_object_is_read_by_its_field(tmp_path, indent, field):
    around = {"version": [1], "data": RECORDS, "all": {"of": {}, "items": RECORDS, "x.y": RECORDS}, "end": None}
    path = written(tmp_path / "a.json", json.dumps(around, indent=indent))
    source = JsonlSource(path, records_field=field)
    assert [d.text for d in source] == [record["text"] for record in RECORDS]
    assert source.fingerprint() != JsonlSource(path).fingerprint()
    with pytest.raises(ValueError, match=r"no field 'dat' \(corpus\.records_field\): did you mean 'data'\?"):
        list(JsonlSource(path, records_field="dat"))
    with pytest.raises(
        ValueError, match=r"no field 'text' .*'data' is a list of 3 objects: set corpus.records_field=data"
    ):
        list(JsonlSource(path))


@pytest.mark.parametrize("layout", ["list", "pretty list", "pretty objects"])
def test_a_json_file_cut_anywhere_is_refused(tmp_path, layout):
    whole = LAYOUTS[layout]
    for size in range(1, len(whole) - 1, 23):
        if layout == "pretty objects" and whole[:size].endswith("\n}"):
            continue
        (tmp_path / "a.json").write_text(whole[:size])
        with pytest.raises(ValueError, match=r"a\.json"):
            list(JsonlSource(str(tmp_path / "a.json"), bad_lines=0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"} {"text": "b"}]', r"from record 1 on: '\{' where ',' is expected"),
        ('[{"text": "a"}, x]', "from record 2 on: Expecting value"),
        ('[\n{"text": "a"}]\n[2', "something follows the list of its 1 records"),
        ('[{"text": "a"}, {"text": ' + "[" * 100_000 + "]", "nested too deeply"),
        ('[{"text": "a"}, {"te', "from record 2 on: it ends too early"),
    ],
)
def test_a_fault_in_a_json_list_is_an_error_because_nothing_after_it_can_be_trusted(tmp_path, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        list(JsonlSource(str(tmp_path / "a.json")))


@pytest.mark.parametrize("separator", [",\n", ", "])
def test_a_large_json_list_is_read_in_little_memory(tmp_path, separator):
    with open(tmp_path / "a.json", "w") as file:
        file.write("[" + separator.join(json.dumps({"text": f"{n} " + "word " * 2000}) for n in range(2000)) + "]")
    tracemalloc.start()
    assert sum(1 for _ in JsonlSource(str(tmp_path / "a.json"))) == 2000
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 12_000_000, most


def test_a_line_longer_than_a_read_is_one_record(tmp_path):
    long = "word " * 200_000
    for lines in ([long], [long, "b"], ["b", long], [long, long]):
        path = written(tmp_path / "a.jsonl", *(json.dumps({"text": line}) for line in lines))
        assert [d.text for d in JsonlSource(path, bad_lines=0)] == lines
    (tmp_path / "a.json").write_text(json.dumps({"data": [{"text": long}, {"text": "b"}]}))
    assert [d.text for d in JsonlSource(str(tmp_path / "a.json"), records_field="data")] == [long, "b"]


def test_a_number_across_the_end_of_a_read_is_one_number(tmp_path):
    start = '{"version":'.ljust(CHUNK - 2)
    path = written(tmp_path / "a.json", start + '12345, "data": [{"text": "a"}]}')
    assert [d.text for d in JsonlSource(path, records_field="data")] == ["a"]
    path = written(tmp_path / "a.json", '{"version": ' + "1" * 5000 + ', "data": [{"text": "a"}]}')
    with pytest.raises(ValueError, match=r"a\.json cannot be read from record 1 on: Exceeds the limit"):
        list(JsonlSource(path, records_field="data"))


def test_a_torn_first_line_is_a_bad_line_and_not_an_object_over_several(tmp_path):
    for torn in ('{"text": "cut', '{"text": "a,', '{"text": [', "[1]", "[}"):
        path = written(tmp_path / "a.jsonl", torn, '{"text": "b"}', '{"text": "c"}')
        if torn in ('{"text": [', "[}"):
            with pytest.raises(ValueError, match=r"a\.jsonl cannot be read from record 1 on"):
                list(JsonlSource(path))
        else:
            assert [d.text for d in JsonlSource(path)] == ["b", "c"]


def test_fields_with_dots_lead_into_objects_and_lists(tmp_path):
    lines = [
        {"meta": {"text": "nested", "id": 1, "a.b": {"c": "x"}}, "turns": [{"text": "first"}]},
        {"meta.text": "its own name", "meta": {"text": "no", "id": 2, "a": {"b": {"c": "y"}}}, "turns": [{"text": 1}]},
        {"meta": None, "turns": None},
    ]
    path = written(tmp_path / "a.jsonl", *map(json.dumps, lines))
    source = JsonlSource(path, text_field="meta.text", id_field="meta.id", language_field="meta.a.b.c")
    assert [(d.text, d.id, d.language) for d in source] == [("nested", "1", "x"), ("its own name", "2", "y")]
    assert source.notes == ("1 document without text was skipped",)
    assert [d.text for d in JsonlSource(path, text_field="turns.0.text")] == ["first"]
    with pytest.raises(ValueError, match=r"no field 'meta\.txt' .*did you mean 'meta\.text'\?"):
        list(JsonlSource(path, text_field="meta.txt"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_json_lines_in_utf16_and_utf32_are_read(tmp_path, encoding):
    (tmp_path / "a.jsonl").write_bytes('{"text": "é\\u00e9"}\r\n{"text": "b"}'.encode(encoding))
    assert [d.text for d in JsonlSource(str(tmp_path / "a.jsonl"))] == ["éé", "b"]


def test_json_lines_in_a_named_encoding_and_with_old_line_ends_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "gr\xfcn"}\r{"text": "b\\r"}\r')
    path = str(tmp_path / "a.jsonl")
    source = JsonlSource(path, encoding="windows-1252")
    assert [d.text for d in source] == ["grün", "b\r"]
    assert source.fingerprint() != JsonlSource(path).fingerprint()
    with pytest.raises(ValueError, match=r"a\.jsonl:1 is not JSON: 'utf-8' codec can't decode"):
        list(JsonlSource(path, bad_lines=0))


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

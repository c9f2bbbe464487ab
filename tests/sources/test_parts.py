"""A source read in parts yields what it yields as a whole."""

import gzip
import json
import pickle
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest

from lm.corpus import Source
from lm.corpus.tally import Tally
from lm.sources import CodeTree, HtmlSource, JsonlSource, PythonSource, TableSource, TextSource

PAGE = "<html><body><article><h1>Title</h1>{}</article></body></html>"
PARAGRAPH = "<p>" + "The quick brown fox jumps over the lazy dog, and then it sleeps for an hour. " * 4 + "</p>"


def contents(ending: str) -> list[bytes]:
    """Of several files, some of them with what is counted."""
    match ending:
        case "txt":
            return [b"one|two", b"", b"a \xff|  |b", b"x" * 300, b"gr\xfcn|\xfc"]
        case "jsonl":
            lines = [{"text": "a"}, {"text": " "}, {"text": "\ud83d"}, {"text": "b" * 200}]
            return [b"", *(json.dumps(line).encode() + b"\n" for line in lines), b'{"text": ""}\n{"text": "c"}\n']
        case "csv":
            return [b"", b"text\na\n", b"text\n\nb\n", b'text,n\n"",1\nc,2\n', b"text\n" + b"d" * 200 + b"\n"]
        case "html":
            return [PAGE.format(PARAGRAPH * n).encode() for n in (1, 0, 2, 3)] + [b""]
        case "py":
            return [b"a = 1\n", b"", b"x" * 400, b"b\0", b"# gr\xfcn\n"]
    raise AssertionError(ending)


def source_of(ending: str, path: str) -> Source:
    match ending:
        case "txt":
            return TextSource(path, separator="|")
        case "jsonl":
            return JsonlSource(path)
        case "csv":
            return TableSource(path)
        case "html":
            pytest.importorskip("trafilatura")
            return HtmlSource(path)
        case _:
            return CodeTree(str(Path(path).parent), extensions=[".py"], max_file_bytes=350)


ENDINGS = ["txt", "jsonl", "csv", "html", "py"]


def planted(folder: Path, ending: str) -> str:
    """Files of all contents, two of them packed, and an archive of all with one that is of another kind."""
    for number, content in enumerate(contents(ending)):
        (folder / f"{number}.{ending}").write_bytes(content)
    if ending != "py":
        for number, content in enumerate(contents(ending)[:2]):
            (folder / f"{number}b.{ending}.gz").write_bytes(gzip.compress(content))
        with zipfile.ZipFile(folder / "2z.zip", "w") as archive:
            for number, content in enumerate(contents(ending)):
                archive.writestr(f"{number}.{ending}", content)
            if ending in ("html", "csv"):
                archive.writestr("other.bin", b"\0")
    return str(folder / "*")


@pytest.mark.parametrize("size", [1, 30, 250, 1000, 10**9])
@pytest.mark.parametrize("ending", ENDINGS)
def test_parts_in_order_are_the_whole_and_their_notes_add_up(tmp_path, ending, size):
    source = source_of(ending, planted(tmp_path, ending))
    whole = list(source)
    assert whole
    assert source.notes
    parts = source.parts(size)
    assert len(parts) > 1 or size >= 1000
    documents, total = [], Tally()
    for part in pickle.loads(pickle.dumps(parts)):  # as another process has them
        documents += list(part)
        total.merge(Tally(**json.loads(json.dumps(asdict(part.tally)))))
    assert documents == whole
    assert total.notes() == source.notes
    again = source_of(ending, str(tmp_path / "*"))
    again.record_tally(total)
    assert (again.notes, again.tally) == (source.notes, source.tally)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_part_but_the_last_has_at_least_the_size_and_no_needless_file(tmp_path, ending):
    source = source_of(ending, planted(tmp_path, ending))
    for size in (1, 100, 500):
        groups = [part.files for part in source.parts(size)]
        sizes = [[file.stat().st_size for file in group] for group in groups]
        assert all(sum(group) >= size for group in sizes[:-1])
        assert all(sum(group[:-1]) < size for group in sizes)


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_file_is_one_part(tmp_path, ending):
    (tmp_path / f"a.{ending}").write_bytes(contents(ending)[-1] or contents(ending)[0])
    source = source_of(ending, str(tmp_path / f"a.{ending}"))
    (part,) = source.parts(1)
    assert list(part) == list(source)
    assert part.notes == source.notes


def test_a_source_that_cannot_be_split_is_its_only_part():
    source = PythonSource()
    assert source.parts(1) == [source]


def test_parts_do_not_change_the_source(tmp_path):
    source = source_of("txt", planted(tmp_path, "txt"))
    whole, name = list(source), source.fingerprint()
    for part in source.parts(1):
        list(part)
    assert list(source) == whole
    assert source.fingerprint() == name

"""A file or folder of text as it lies on a disk becomes a corpus with a held-out part."""

import gzip

import pytest

from lm.corpus import Split, survey
from lm.sources import own_text

LINE = "it was a dark and stormy night, and the rain fell in torrents\n"


@pytest.mark.parametrize("size", [1_000, 20_000, 1_000_000])
@pytest.mark.parametrize("end", ["\n", " "])
def test_one_file_of_any_size_has_training_and_held_out_text(tmp_path, size, end):
    whole = "".join(f"{i} {LINE[:-1]}{end}" for i in range(size))[:size]
    (tmp_path / "my.txt").write_text(whole)
    source = own_text(str(tmp_path / "my.txt"))
    _, split = survey(source, Split(0.05))
    held_out = [split.held_out(document) for document in source]
    assert 0 < sum(held_out) < len(held_out) / 2
    assert "".join(document.text for document in source) == whole


def test_a_folder_is_read_with_those_in_it_but_without_hidden_files_and_images(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("one.txt", "a/two.md", "a/b/three", ".git/four", ".five"):
        (tmp_path / name).write_text(name)
    (tmp_path / "a" / "six.txt.gz").write_bytes(gzip.compress(b"six"))
    (tmp_path / "a" / "seven.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    source = own_text(str(tmp_path))
    assert sorted(document.text for document in source) == ["a/b/three", "a/two.md", "one.txt", "six"]
    assert "1 binary file was skipped" in source.notes[0]
    assert len([*own_text([str(tmp_path / "one.txt"), f"{tmp_path}/a/"])]) == 4


def test_separated_documents_stay_apart(tmp_path):
    (tmp_path / "my.txt").write_text("one\n***\ntwo\n***\nthree")
    assert [document.text for document in own_text(str(tmp_path / "my.txt"), separator="***")] == [
        "one",
        "two",
        "three",
    ]


@pytest.mark.parametrize(
    ("name", "reader"), [("a.jsonl", "jsonl"), ("a.json.gz", "jsonl"), ("a.CSV", "table"), ("a.html", "html")]
)
def test_records_are_not_read_as_plain_text(tmp_path, name, reader):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=rf"{name} holds records, not plain text: read it with corpus={reader}"):
        own_text(str(tmp_path))


def test_nothing_to_read_is_told_by_the_path(tmp_path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ValueError, match=r"corpus.path .*empty.txt: there is no text in 1 empty file"):
        own_text(str(tmp_path / "empty.txt"))
    with pytest.raises(ValueError, match=r"corpus.path .*none.txt does not exist"):
        own_text(str(tmp_path / "none.txt"))

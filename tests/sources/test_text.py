"""Plain text, compressed or not, yields its documents."""

import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest
import pyzstd

from lm.corpus import Document
from lm.sources import TextSource, text

DATA = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")


def texts(source: TextSource) -> list[str]:
    return [document.text for document in source]


def test_a_file_is_a_document(tmp_path):
    (tmp_path / "b.txt").write_text("zwei\n")
    (tmp_path / "a.txt").write_text("eins\n")
    path = str(tmp_path / "*.txt")
    assert list(TextSource(path, kind="de")) == [
        Document("eins\n", "a.txt", "de", source=str(tmp_path / "a.txt")),
        Document("zwei\n", "b.txt", "de", source=str(tmp_path / "b.txt")),
    ]
    assert texts(TextSource([path, str(tmp_path / "a.txt")])) == ["eins\n", "zwei\n"], "none twice"


def test_compressed_files_read_like_plain_ones(tmp_path):
    content = "eins|zwei ü".encode()
    (tmp_path / "t.txt").write_bytes(content)
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(content))
    frames = [pyzstd.compress(part) for part in (content[:4], content[4:])]
    (tmp_path / "t.txt.zst").write_bytes(b"".join(frames))
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "t.txt", "folder/t.txt")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.write(tmp_path / "t.txt", "folder/t.txt")
    for name in ("t.txt", "t.txt.gz", "t.txt.zst", "t.tar.gz", "t.zip"):
        assert texts(TextSource(str(tmp_path / name), separator="|")) == ["eins", "zwei ü"], name


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("separator", ["<|endoftext|>", "\n\n", "--", "é"])
def test_a_separator_is_found_across_chunks(tmp_path, monkeypatch, chunk, separator):
    parts = ["one\r\n1", "-two-", "thr éé".replace("é", "e"), "日本語 <|end", "last"]
    (tmp_path / "t.txt").write_bytes(separator.join(parts).encode())
    monkeypatch.setattr(text, "CHUNK", chunk)
    expected = separator.join(parts).replace("\r\n", "\n").split(separator)
    assert texts(TextSource(str(tmp_path / "t.txt"), separator=separator)) == [e for e in expected if e]


@pytest.mark.parametrize("chunk", [4, 5, 7, 1 << 20])
def test_the_byte_order_mark_is_removed_and_crlf_becomes_lf_unless_kept(tmp_path, monkeypatch, chunk):
    (tmp_path / "t.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\r\r\nd\r")
    monkeypatch.setattr(text, "CHUNK", chunk)
    assert texts(TextSource(str(tmp_path / "t.txt"))) == ["a\nb\rc\r\nd\r"]
    assert texts(TextSource(str(tmp_path / "t.txt"), keep_line_ends=True)) == ["a\r\nb\rc\r\r\nd\r"]


def test_a_separator_may_be_typed_with_backslashes(tmp_path):
    (tmp_path / "t.txt").write_text("a\n\nb\n\n\n\n\nc\n")
    source = TextSource(str(tmp_path / "t.txt"), separator=r"\n\n")
    assert texts(source) == ["a", "b", "c"]
    assert source.notes == ("1 document without text was skipped",)


def test_invalid_utf8_is_replaced_and_counted(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"ok\xff\xfe, \xef\xbf\xbd was there; gr\xfcn")
    source = TextSource(str(tmp_path / "t.txt"))
    assert texts(source) == ["ok\ufffd\ufffd, \ufffd was there; gr\ufffdn"]
    assert source.notes == (f"3 invalid UTF-8 byte sequences were replaced by �, the first: {tmp_path}/t.txt",)


def test_parts_end_at_line_ends_and_lose_nothing(tmp_path):
    whole = "".join(f"line {i} {'x' * (i % 30)}\n" for i in range(300)) + "no end"
    (tmp_path / "t.txt").write_text(whole)
    parts = list(TextSource(str(tmp_path / "t.txt"), part_size=200))
    assert "".join(part.text for part in parts) == whole
    assert all(part.text.endswith("\n") and 200 <= len(part.text) < 245 for part in parts[:-1])
    assert len({part.id for part in parts}) == len(parts)


@pytest.mark.parametrize("gap", [" ", ""])
def test_a_line_that_is_longer_than_a_part_may_be_broken_and_nothing_is_lost(tmp_path, gap):
    whole = "short\n" + gap.join(["word"] * 400) + "\nend\n"
    (tmp_path / "t.txt").write_text(whole)
    unbroken = texts(TextSource(str(tmp_path / "t.txt"), part_size=100))
    parts = texts(TextSource(str(tmp_path / "t.txt"), part_size=100, break_lines=True))
    assert "".join(unbroken) == "".join(parts) == whole
    assert max(map(len, unbroken)) > 1000
    assert max(map(len, parts)) <= 200
    assert not gap or all(part.endswith((" ", "\n")) for part in parts)


def test_the_fingerprint_is_of_content_and_options(tmp_path):
    for folder, content in {"a": "text", "b": "text", "c": "other"}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.txt").write_text(content)
    a, b, c = (TextSource(str(tmp_path / folder / "t.txt")).fingerprint() for folder in "abc")
    assert a == b != c
    assert TextSource(str(tmp_path / "a" / "t.txt"), separator="|").fingerprint() != a
    assert TextSource(str(tmp_path / "a" / "t.txt"), break_lines=True).fingerprint() != a


def test_bad_inputs_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"corpus.path .*none\*\.txt matches no file"):
        TextSource(str(tmp_path / "none*.txt"))
    with pytest.raises(ValueError, match=r"corpus.path .*none\.txt does not exist"):
        TextSource([str(tmp_path / "none.txt")])
    with pytest.raises(ValueError, match=r"is a folder: name the files, for example .*\*\*/\*\.txt"):
        TextSource(str(tmp_path))
    (tmp_path / "t.txt").write_text("a")
    with pytest.raises(ValueError, match="separator is empty"):
        TextSource(str(tmp_path / "t.txt"), separator="")
    with pytest.raises(ValueError, match="part_size 0"):
        TextSource(str(tmp_path / "t.txt"), part_size=0)


@real
def test_real_text_is_read():
    plays = texts(TextSource(str(DATA / "tinyshakespeare" / "input.txt"), part_size=20_000))
    assert sum(len(play) for play in plays) == 1_115_394
    stories = texts(TextSource(str(DATA / "tinystories" / "*.gz"), separator="<|endoftext|>"))
    assert len(stories) > 2000
    assert stories[0].startswith("One day, a little girl named Lily")
    assert not any("<|endoftext|>" in story or story.startswith("\n") for story in stories)


@real
def test_real_novels_come_out_of_their_archive_clean():
    novels = list(TextSource(str(DATA / "novels" / "*.tar.gz")))
    assert len(novels) == 29
    assert not any("\r\n" in novel.text or novel.text.startswith("\ufeff") for novel in novels)


def test_a_byte_order_mark_within_a_document_is_counted_and_stays(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")  # two files joined
    source = TextSource(str(tmp_path / "a.txt"))
    assert [document.text for document in source] == ["one\n\ufefftwo\n"]
    assert source.notes == (f"1 document had byte order marks within, which stay, the first: {tmp_path / 'a.txt'}",)

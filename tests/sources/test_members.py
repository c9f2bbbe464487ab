"""Files are unpacked by their content, and one that is damaged or incomplete is named, whatever its format."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import pyzstd

from lm.conversation.sources.records import FileRecords, read_records
from lm.filter.evaluation_items import read_items
from lm.filter.word_list import WordList
from lm.sources import JsonlSource, TableSource, TextSource, tar_members
from lm.sources.members import LEVELS, open_members

TEXT = b'{"text": "some words"}\n' * 2000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zst": pyzstd.compress,
}


def tar(members: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def packed(ending: str, data: bytes = TEXT) -> bytes:
    first, _, rest = ending.partition(".")
    match first:
        case "zip":
            return zipped({"a.txt": data})
        case "tar":
            data = tar({"a.txt": data})
            return PACK[rest](data) if rest else data
    return PACK[first](data)


def read(path: Path) -> dict[str, bytes]:
    return {name: stream.read() for name, stream in open_members(path)}


READERS = {
    "text": lambda path: list(TextSource(str(path))),
    "jsonl": lambda path: list(JsonlSource(str(path))),
    "records": lambda path: list(read_records(path)),
}
ENDINGS = [*PACK, "zip", "tar", *(f"tar.{packing}" for packing in PACK)]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_intact_files_are_decompressed_and_damaged_ones_named(ending, reader, tmp_path):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(packed(ending))
    assert len(READERS[reader](path)) in (1, 2000)
    for damaged in (b"no such thing", b"", packed(ending)[: len(packed(ending)) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"a\.{ending} is damaged .*: download or pack it again"):
            READERS[reader](path)


@pytest.mark.parametrize("ending", [*PACK, "zip", *(f"tar.{packing}" for packing in PACK)])
def test_a_packed_file_cut_anywhere_is_damaged(ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    whole = packed(ending, b"some words, more words")
    for size in {*range(0, len(whole), 5), *range(len(whole) - 5, len(whole))}:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=rf"a\.{ending} is damaged"):
            read(path)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_cut_anywhere_before_its_end_is_damaged(tmp_path, format):
    members = {"a.txt": b"x" * 600, "b.txt": b"y" * 512, "ü" * 45: b"z"}
    whole, path = tar(members, format), tmp_path / "a.tar"
    path.write_bytes(whole)
    assert read(path) == {f"a.tar/{name}": data for name, data in members.items()}
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for size in [*range(0, end + 1, 256), 1, 513, end - 1, end + 511]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"a\.tar is damaged"):
            read(path)
    path.write_bytes(whole[: end + 512])
    assert len(read(path)) == 3


def test_a_damaged_header_in_a_tar_is_not_taken_for_its_end(tmp_path):
    whole = bytearray(tar({"a.txt": b"x", "b.txt": b"y"}, tarfile.USTAR_FORMAT))
    whole[1024 + 150] ^= 1
    (tmp_path / "a.tar").write_bytes(whole)
    with pytest.raises(ValueError, match=r"a\.tar is damaged \(bad checksum"):
        read(tmp_path / "a.tar")


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst", "tar", "tar.gz"])
def test_joined_files_are_read_whole(ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    if "tar" in ending:
        one, two = (tar({name: name.encode()}) for name in ("a", "b"))
        path.write_bytes(one + two if ending == "tar" else gzip.compress(one) + gzip.compress(two))
        assert list(read(path).values()) == [b"a", b"b"]
        return
    path.write_bytes(packed(ending, b"one") + packed(ending, b"") + packed(ending, b"two"))
    assert list(read(path).values()) == [b"onetwo"]
    path.write_bytes(packed(ending, b"one") + packed(ending, b"two" * 99)[:-5])
    with pytest.raises(ValueError, match=rf"a\.{ending} is damaged"):
        read(path)
    path.write_bytes(packed(ending, b"one") + b"something else")
    with pytest.raises(ValueError, match=rf"a\.{ending} is damaged"):
        read(path)


def test_an_xz_file_may_be_padded_and_a_zip_must_be_alone(tmp_path):
    (tmp_path / "a.xz").write_bytes(lzma.compress(b"one") + bytes(8) + lzma.compress(b"two") + bytes(4))
    assert list(read(tmp_path / "a.xz").values()) == [b"onetwo"]
    (tmp_path / "a.zip").write_bytes(packed("zip", b"one") + packed("zip", b"two"))
    with pytest.raises(ValueError, match=r"a\.zip is damaged \(there is another archive before it\)"):
        read(tmp_path / "a.zip")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a"])
def test_a_wrong_name_does_not_matter(ending, name, tmp_path):
    (tmp_path / name).write_bytes(packed(ending))
    assert len(list(JsonlSource(str(tmp_path / name)))) == 2000


def test_what_is_packed_in_an_archive_is_unpacked_too(tmp_path):
    members = {f"a.txt.{ending}": packed(ending, ending.encode()) for ending in ENDINGS}
    expected = [ending.encode() for ending in ENDINGS]
    (tmp_path / "a.tar").write_bytes(tar(members))
    (tmp_path / "a.zip").write_bytes(zipped(members))
    for name in ("a.tar", "a.zip"):
        found = read(tmp_path / name)
        assert list(found.values()) == expected
        assert f"{name}/a.txt.gz" in found
        assert f"{name}/a.txt.tar.gz/a.txt" in found


def test_packing_in_packing_ends_somewhere(tmp_path):
    data = b"text"
    for _ in range(LEVELS):
        data = gzip.compress(data)
    (tmp_path / "a.gz").write_bytes(data)
    assert list(read(tmp_path / "a.gz").values()) == [b"text"]
    (tmp_path / "a.gz").write_bytes(gzip.compress(data))
    with pytest.raises(ValueError, match=r"a\.gz is packed more than 8 times"):
        read(tmp_path / "a.gz")


def test_links_in_archives_are_not_documents(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text")
        link = zipfile.ZipInfo("b.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "a.txt")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    assert read(tmp_path / "a.zip") == {"a.zip/a.txt": b"text"}


def test_a_tar_whose_rest_was_never_written_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_members, "PADDING", 20_000)
    for start in (b"", tar({"a.txt": b"text"})[:1024]):
        (tmp_path / "a.tar").write_bytes(start + bytes(15_000))
        assert len(read(tmp_path / "a.tar")) == bool(start)
        (tmp_path / "a.tar").write_bytes(start + bytes(30_000))
        with pytest.raises(ValueError, match=r"a\.tar is damaged \(more than 20000 zero bytes"):
            read(tmp_path / "a.tar")


def test_an_archive_without_members_has_no_documents(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar({}))
    (tmp_path / "a.zip").write_bytes(zipped({}))
    assert read(tmp_path / "a.tar") == read(tmp_path / "a.zip") == {}


def test_an_encrypted_member_is_refused_by_its_cause(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b.txt", "secret")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip/b\.txt is encrypted: unpack .*a\.zip with its password first"):
        list(TextSource(str(tmp_path / "a.zip")))


@pytest.mark.parametrize("read", [open_members, lambda file: read_items(file, fields=None)], ids=["members", "items"])
def test_a_folder_is_refused_as_one(read, tmp_path):
    with pytest.raises(ValueError, match=r" is a folder: name the files"):
        list(read(tmp_path))


@pytest.mark.parametrize("source", [TextSource, JsonlSource, TableSource])
def test_an_archive_without_files_is_noted(source, tmp_path):
    zipfile.ZipFile(tmp_path / "a.zip", "w").close()
    empty = source(str(tmp_path / "a.zip"))
    assert list(empty) == []
    assert empty.notes == (f"1 archive held no file, the first: {tmp_path / 'a.zip'}",)


@pytest.mark.parametrize("source", [JsonlSource, TableSource])
def test_an_empty_file_is_noted(source, tmp_path):
    (tmp_path / "a.csv").touch()
    empty = source(str(tmp_path / "a.csv"))
    assert list(empty) == []
    assert empty.notes == (f"1 file had no records, the first: {tmp_path / 'a.csv'}",)


def test_metadata_of_macos_is_no_word_list_item_or_conversation(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jsonl", '{"text": "hello"}\n')
        archive.writestr("__MACOSX/._a.jsonl", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + bytes(60))
    assert [item.texts for item in read_items(tmp_path / "a.zip", fields=None)] == [("hello",)]
    assert WordList(path=str(tmp_path / "a.zip")).matcher.count('{"text": "hello"}')[0]
    records = FileRecords(str(tmp_path / "a.zip"))
    assert [record for _, record in records] == [{"text": "hello"}]
    assert records.notes[0].startswith("1 file with macOS metadata was skipped")

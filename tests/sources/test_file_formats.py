"""What is not text is recognized by its content, and skipped or refused by name."""

import io
import pickle
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from lm.corpus.tally import Tally
from lm.sources import JsonlSource, TableSource, TextSource
from lm.sources.file_formats import is_binary

TEXT = b'{"text": "fine"}\n'


def png() -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0\1\2\3" * 4)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)) + part(b"IDAT", rows)


def docx() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w:document/>")
    return buffer.getvalue()


def numpy_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(9))
    return buffer.getvalue()


def sqlite(path: Path) -> bytes:
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (text)")
    connection.close()
    return path.read_bytes()


SKIPPED = {
    "a PNG image": png(),
    "a JPEG image": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1" + bytes(40),
    "a GIF image": b"GIF89a\x01\0\x01\0\x80\0\0" + bytes(9),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "a program (ELF)": b"\x7fELF\2\1\1" + bytes(99),
    "a program (Windows)": b"MZ\x90\0\3\0\0\0\4\0" + bytes(99),
    "a pickle": pickle.dumps({"text": ["a"] * 9}),
    "a NumPy array": numpy_array(),
    "a WAV file": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0",
    "an RTF document": rb"{\rtf1\ansi text}",
    "an Office document, an e-book or another document in a ZIP": docx(),
    "binary data": bytes(range(256)) * 9,
}
REFUSED = {
    "packed with lz4": b"\x04\x22\x4d\x18\x64\x40\xa7" + b"text",
    "a 7-Zip archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "a RAR archive": b"Rar!\x1a\x07\1\0",
    "packed with compress": b"\x1f\x9d\x90text",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "Parquet": b"PAR1\x15\4\x15\0\0\0" + bytes(50),
    "an Arrow file": b"ARROW1\0\0" + bytes(50),
}


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return buffer.getvalue()


SOURCES = {
    "txt": lambda path, **options: TextSource(path, **options),
    "jsonl": lambda path, **options: JsonlSource(path, **options),
    "csv": lambda path, **options: TableSource(
        path, text_field='{"text": "fine"}', columns=['{"text": "fine"}'], **options
    ),
}


@pytest.mark.parametrize("ending", SOURCES)
@pytest.mark.parametrize("name", SKIPPED)
@pytest.mark.parametrize("packed", [False, True])
def test_binary_files_with_a_texts_name_are_skipped_counted_and_named(tmp_path, ending, name, packed):
    if packed:
        (tmp_path / "a.zip").write_bytes(archive({f"a.{ending}": TEXT, f"x.{ending}": SKIPPED[name]}))
    else:
        (tmp_path / f"a.{ending}").write_bytes(TEXT)
        (tmp_path / f"x.{ending}").write_bytes(SKIPPED[name])
    source = SOURCES[ending](str(tmp_path / "*"))
    assert len(list(source)) == 1
    place = f"{tmp_path}/{'a.zip/' if packed else ''}x.{ending}"
    (note,) = source.notes
    assert note.startswith(f"1 binary file was skipped, the first: {place} is {name}")
    with pytest.raises(ValueError, match=rf"x\.{ending} is .*: remove it from the path, or .*corpus\.bad_files=10"):
        list(SOURCES[ending](str(tmp_path / "*"), bad_files=0))


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_surely_hold_text_in_another_form_are_refused_with_a_remedy(tmp_path, name):
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "b.txt").write_bytes(REFUSED[name])
    with pytest.raises(ValueError, match=rf"b\.txt is {name}.*: "):
        list(TextSource(str(tmp_path / "*")))


def test_a_database_is_recognized(tmp_path):
    sqlite(tmp_path / "x.txt")
    (tmp_path / "y.txt").write_text("text")
    source = TextSource(str(tmp_path / "*.txt"))
    assert [document.text for document in source] == ["text"]
    assert "x.txt is a SQLite database, not text (export its tables as CSV)" in source.notes[0]


def test_one_more_than_bad_files_is_an_error_also_over_parts(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for number in range(3):
        (tmp_path / f"x{number}.txt").write_bytes(png())
    source = TextSource(str(tmp_path / "*.txt"), bad_files=2)
    with pytest.raises(ValueError, match=r"x2\.txt is a PNG image, not text \(skipped before it: 2\): .*bad_files=30"):
        list(source)
    total = Tally()
    for part in source.parts(1):
        list(part)
        total.merge(part.tally)
    with pytest.raises(ValueError, match=r"x0\.txt is a PNG image, not text"):
        source.record_tally(total)
    source = TextSource(str(tmp_path / "*.txt"), bad_files=3)
    assert source.fingerprint() == TextSource(str(tmp_path / "*.txt")).fingerprint()
    assert len(list(source)) == 1


def test_what_macos_adds_to_archives_is_skipped_without_limit(tmp_path):
    members = {"a.txt": b"text", ".DS_Store": b"\0\0\0\1Bud1\0\0"}
    members |= {f"__MACOSX/._{number}.txt": b"\0\x05\x16\x07\0\2\0\0Mac OS X" + bytes(80) for number in range(20)}
    (tmp_path / "a.zip").write_bytes(archive(members))
    source = TextSource(str(tmp_path / "a.zip"), bad_files=0)
    assert [document.text for document in source] == ["text"]
    assert source.notes == (f"21 files with macOS metadata were skipped, the first: {tmp_path}/a.zip/.DS_Store",)


@pytest.mark.parametrize(
    "text",
    [
        "PAR1 and ORC, MZ, BM, ID3, RIFF, GIF89a are letters",
        "PAR1",
        "ORCs came.",
        "MZ",
        "GIF89a is a format",
        "RIFF raff WAVE",
        "wOFF",
        "7z is a program",
        "Rar!",
        "ustar",
        "\x1b[31mred\x1b[0m\n" * 9,
        "form\ffeed\bback",
        "field\x01field\x01\n" * 9,
        "Ünï",
        "яШя",
        "",
    ],
)
def test_texts_that_begin_like_a_binary_file_are_texts(tmp_path, text):
    (tmp_path / "a.txt").write_text(text + "x", encoding="utf-8")
    source = TextSource(str(tmp_path / "a.txt"), bad_files=0)
    assert [document.text for document in source] == [text + "x"]
    assert source.notes == ()


@pytest.mark.parametrize("coding", ["cp1252", "koi8-r", "shift_jis", "gb18030", "iso2022_jp", "utf-7", "mac-roman"])
def test_texts_in_old_encodings_are_not_taken_for_binary(coding):
    words = {
        "koi8-r": "все счастливые семьи",
        "shift_jis": "むかしむかし",
        "iso2022_jp": "むかし",
        "gb18030": "从前有一个老人",
    }
    assert not is_binary(words.get(coding, "Straße, façade").encode(coding) * 50)


def test_zeros_after_a_power_cut_do_not_make_a_text_binary(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(TEXT * 3 + bytes(4000))
    source = JsonlSource(str(tmp_path / "a.jsonl"))
    assert len(list(source)) == 3
    assert source.notes[0].startswith(f"1 line could not be read and was skipped, the first: {tmp_path}/a.jsonl:4")
    (tmp_path / "b.txt").write_bytes(bytes(4000))
    with pytest.raises(ValueError, match=r"b\.txt is binary data, not text"):
        list(TextSource(str(tmp_path / "b.txt"), bad_files=0))


def test_brotli_is_told_by_its_name_because_it_has_no_signature(tmp_path):
    (tmp_path / "a.txt.br").write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match=r"a\.txt\.br is packed with Brotli: unpack it first"):
        list(TextSource(str(tmp_path / "a.txt.br")))


def test_some_nul_bytes_in_a_text_are_kept_and_noted(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"word " * 1000 + b"\0")
    source = TextSource(str(tmp_path / "a.txt"))
    assert len(list(source)) == 1
    assert source.notes == (f"1 document had NUL characters, which stay, the first: {tmp_path}/a.txt",)

"""Text in any encoding yields the same documents as its UTF-8, and notes say which."""

import gzip
from pathlib import Path

import pytest

from lm.sources import TextSource, encoding, text

DATA = Path(__file__).parents[3] / "shared" / "data"
GERMAN = "Über die Öffnung des Gartens: Straße, Mädchen, größer, schön.\r\nDie Vögel fliegen südwärts.\r\n"
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. "


def documents(path: Path, coding: str, separator: str | None = None) -> list[str]:
    return [document.text for document in TextSource(str(path), encoding=coding, separator=separator)]


@pytest.mark.parametrize("coding", ["windows-1252", "latin-1", "utf-16", "utf-16-be", "utf-32", "utf-7", "utf-8-sig"])
@pytest.mark.parametrize("chunk", [5, 64, 1 << 20])
def test_a_named_encoding_yields_the_same_text_as_utf8(tmp_path, monkeypatch, coding, chunk):
    (tmp_path / "a.txt").write_bytes((GERMAN + "§§" + GERMAN).encode(coding))
    monkeypatch.setattr(text, "CHUNK", chunk)
    plain = GERMAN.replace("\r\n", "\n").strip("\n")
    assert documents(tmp_path / "a.txt", coding, "§§") == [plain, plain]


def test_a_byte_order_mark_of_an_explicit_byte_order_is_removed(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffé".encode("utf-16-le"))
    assert documents(tmp_path / "a.txt", "utf-16-le") == ["é"]


def test_every_name_of_utf8_has_the_fingerprint_of_the_default(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"gr\xfcn")
    default = TextSource(str(tmp_path / "a.txt"))
    assert [d.text for d in default] == documents(tmp_path / "a.txt", "UTF8") == ["gr\ufffdn"]
    named = TextSource(str(tmp_path / "a.txt"), encoding="UTF8")
    assert default.fingerprint() == named.fingerprint()
    other = TextSource(str(tmp_path / "a.txt"), encoding="windows-1252")
    assert other.fingerprint() != default.fingerprint()


def test_the_default_fingerprint_is_that_of_existing_corpora(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"eins\nzwei\n")
    assert TextSource(str(tmp_path / "a.txt")).fingerprint() == "10e29beb6cc7c5dc8484afaea6cedcac"


def test_invalid_bytes_are_counted(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\x81b\x8dc")
    source = TextSource(str(tmp_path / "a.txt"), encoding="cp1252")
    assert [d.text for d in source] == ["a\ufffdb\ufffdc"]
    assert source.notes == ("2 characters were not valid windows-1252 and were replaced by �",)


@pytest.mark.parametrize("coding", ["utf-16", "utf-32", "gb18030"])
def test_a_replacement_character_of_the_text_itself_is_not_counted(tmp_path, coding):
    (tmp_path / "a.txt").write_bytes("a�b".encode(coding))
    source = TextSource(str(tmp_path / "a.txt"), encoding=coding)
    assert [d.text for d in source] == ["a�b"]
    assert source.notes == ()


@pytest.mark.parametrize("coding", ["shift_jis", "euc-kr", "gb18030", "utf-16-le", "utf-7", "iso2022_jp"])
@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_invalid_bytes_are_replaced_alike_wherever_a_read_ends(tmp_path, monkeypatch, coding, chunk):
    good = "中文".encode(coding) if coding != "euc-kr" else "한국어".encode(coding)
    data = good + b"\xff" + good + b"\xff\xff" + good[:-1]
    (tmp_path / "a.txt").write_bytes(data)
    monkeypatch.setattr(text, "CHUNK", chunk)
    assert documents(tmp_path / "a.txt", coding) == [data.decode(coding, errors="replace")]


def test_each_file_is_decoded_by_its_detected_encoding(tmp_path):
    pytest.importorskip("charset_normalizer")
    (tmp_path / "a.txt").write_text("plain ü", encoding="utf-8")
    (tmp_path / "b.txt").write_text("sixteen ü", encoding="utf-16")
    (tmp_path / "c.txt").write_text("thirty-two ü", encoding="utf-32")
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress((RUSSIAN * 20).encode("windows-1251")))
    source = TextSource(str(tmp_path / "*"), encoding="detect")
    assert [d.text for d in source] == ["plain ü", "sixteen ü", "thirty-two ü", RUSSIAN * 20]
    assert source.notes == (
        "1 file was read as utf-16",
        "1 file was read as utf-32",
        "1 file was read as utf-8",
        "1 file was read as windows-1251",
    )


@pytest.mark.parametrize(
    ("words", "coding", "name"),
    [
        (GERMAN, "cp1252", "windows-1252"),
        ("El niño comió piña mañana en España. ", "cp1252", "windows-1252"),  # as good as Slavic windows-1250
        ("“Café,” he said — it’s the only word. ", "cp1252", "windows-1252"),
        ("Źdźbło trawy. Już jesień, a ptaki odlatują na południe; będzie zimno. ", "iso8859_2", "iso8859-2"),
        (RUSSIAN, "koi8_r", "koi8-r"),
        ("むかしむかし、あるところにおじいさんとおばあさんが住んでいました。", "cp932", "cp932"),
        ("从前有一个老人，他住在山上的一座小房子里。", "gb18030", "gb18030"),
    ],
)
def test_the_common_encodings_are_detected(tmp_path, words, coding, name):
    pytest.importorskip("charset_normalizer")
    (tmp_path / "a.txt").write_bytes((words * 20).encode(coding))
    source = TextSource(str(tmp_path / "a.txt"), encoding="detect")
    assert [d.text for d in source] == [(words * 20).replace("\r\n", "\n")]
    assert source.notes == (f"1 file was read as {name}",)


def test_a_character_cut_by_the_end_of_the_sample_is_still_utf8(tmp_path, monkeypatch):
    pytest.importorskip("charset_normalizer")
    monkeypatch.setattr(encoding, "HEAD", 4)
    (tmp_path / "a.txt").write_text("abcüdef", encoding="utf-8")
    assert documents(tmp_path / "a.txt", "detect") == ["abcüdef"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("windows-125", r"corpus.encoding 'windows-125' is not an encoding .*did you mean windows_125\d"),
        ("base64", "corpus.encoding 'base64' is not an encoding"),
        ("klingon", "try utf-8, utf-16, windows-1252"),
        ("a\0b", "is not an encoding"),
    ],
)
def test_an_unknown_encoding_is_refused_with_a_remedy(tmp_path, name, message):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(ValueError, match=message):
        TextSource(str(tmp_path / "a.txt"), encoding=name)


@pytest.mark.parametrize(
    "coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"]
)
@pytest.mark.parametrize("named", ["utf-8", "detect"])
@pytest.mark.parametrize("words", ["Hello, plain text.\n", RUSSIAN, "从前有一个老人，他住在山上。\n　他很老。\n", "x"])
def test_utf16_and_utf32_are_read_whatever_is_named_with_a_mark_or_without(tmp_path, coding, named, words):
    (tmp_path / "a.txt").write_bytes((words * 3).encode(coding))
    assert documents(tmp_path / "a.txt", named) == [words * 3]


def test_a_byte_order_mark_overrides_the_named_encoding(tmp_path):
    (tmp_path / "a.txt").write_text("Öl\n", encoding="utf-8-sig")
    (tmp_path / "b.txt").write_text("Öl\n", encoding="utf-16")
    source = TextSource(str(tmp_path / "*.txt"), encoding="windows-1252")
    assert [d.text for d in source] == ["Öl\n", "Öl\n"]
    assert source.notes == ("1 file was read as utf-16", "1 file was read as utf-8")


def test_a_named_utf16_that_is_none_is_refused_or_read_as_what_it_is(tmp_path):
    (tmp_path / "a.txt").write_text("short")
    with pytest.raises(ValueError, match=r"a\.txt has no byte order mark: .*corpus\.encoding=utf-16-le"):
        documents(tmp_path / "a.txt", "utf-16")
    (tmp_path / "a.txt").write_text(RUSSIAN, encoding="utf-16-be")
    assert documents(tmp_path / "a.txt", "utf-16") == [RUSSIAN]
    (tmp_path / "a.txt").write_text(RUSSIAN, encoding="utf-8")
    assert documents(tmp_path / "a.txt", "utf-16-le") == [RUSSIAN]


def test_wide_characters_under_the_name_of_a_narrow_encoding_are_still_read(tmp_path):
    (tmp_path / "a.txt").write_text(GERMAN, encoding="utf-16-le")
    assert documents(tmp_path / "a.txt", "windows-1252") == [GERMAN.replace("\r\n", "\n")]


def test_a_file_in_two_encodings_is_not_taken_for_either(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"first line\n" + "second line\r\n".encode("utf-16-le"))
    source = TextSource(str(tmp_path / "a.txt"))
    assert list(source) == []
    assert source.notes == (f"1 binary file was skipped, the first: {tmp_path}/a.txt is binary data, not text",)


def test_line_ends_of_old_macs_become_lf_only_if_there_are_no_others(tmp_path):
    (tmp_path / "a.txt").write_bytes("é\rzwei\r".encode("mac-roman"))
    source = TextSource(str(tmp_path / "a.txt"), encoding="mac-roman")
    assert [d.text for d in source] == ["é\nzwei\n"]
    assert source.notes == ("1 file had CR line ends, which became LF",)
    (tmp_path / "a.txt").write_bytes(b"eins\rzwei\n")  # as an editor adds it at the end
    assert documents(tmp_path / "a.txt", "utf-8") == ["eins\nzwei\n"]
    (tmp_path / "a.txt").write_bytes(b"eins\rzwei\ndrei")
    assert documents(tmp_path / "a.txt", "utf-8") == ["eins\rzwei\ndrei"]
    (tmp_path / "a.txt").write_bytes(b"eins\rzwei\r")
    assert [d.text for d in TextSource(str(tmp_path / "a.txt"), keep_line_ends=True)] == ["eins\rzwei\r"]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")
def test_a_real_book_in_koi8_is_read():
    pytest.importorskip("charset_normalizer")
    source = TextSource(str(DATA / "debian_install_guide" / "install.ru.txt.gz"), encoding="detect")
    [book] = source
    assert "Настройка аппаратного обеспечения" in book.text
    assert source.notes == ("1 file was read as koi8-r",)


def test_utf8_with_few_nul_characters_is_not_taken_for_utf16(tmp_path):
    text = "größer wörld\nsec\0ond line\n" * 3
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "b.txt").write_text("é" * 5 + "a\0b " + "hello " * 50, encoding="utf-8")
    source = TextSource(f"{tmp_path}/*.txt", bad_files=10)
    texts = [document.text for document in source]
    assert "é" * 5 + "a\0b " + "hello " * 50 in texts
    assert not any(note.startswith(("1 file was read as", "2 files were read as")) for note in source.notes)

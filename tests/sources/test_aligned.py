"""Parallel texts are read in pairs, or the error names what is missing."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from lm.sources import Editions, SentencePairs

SIDES = {
    "x.deu-eng.deu": "eins\nzwei\n",
    "x.deu-eng.eng": "one\ntwo\n",
    "x.eng-fra.eng": "one\n",
    "x.eng-fra.fra": "un\n",
    "x.deu-fra.deu": "drei\n",
    "x.deu-fra.fra": "trois\n",
    "README.md": "read me",
}
EXPECTED = [("deu", ["eins", "zwei"], ["one", "two"]), ("fra", ["un"], ["one"])]


def packed(sides: dict[str, str], path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in sides.items():
            member = tarfile.TarInfo(f"deep/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def test_pairs_are_read_from_files_and_archives_with_the_reference_on_either_side(tmp_path):
    for name, text in SIDES.items():
        (tmp_path / name).write_text(text)
    assert list(SentencePairs(f"{tmp_path}/x.*")) == EXPECTED
    assert list(SentencePairs(str(packed(SIDES, tmp_path / "a.tar.gz")))) == EXPECTED
    ours = list(SentencePairs(f"{tmp_path}/x.*", reference="fra"))
    assert ours == [("deu", ["drei"], ["trois"]), ("eng", ["one"], ["un"])]


def test_sides_that_do_not_match_are_refused_by_name(tmp_path):
    uneven = {**SIDES, "x.deu-eng.eng": "one\n"}
    with pytest.raises(ValueError, match=r"x\.deu-eng has 2 lines of deu and 1 of eng"):
        list(SentencePairs(str(packed(uneven, tmp_path / "a.tar.gz"))))
    alone = {name: text for name, text in SIDES.items() if name != "x.eng-fra.fra"}
    with pytest.raises(ValueError, match=r"x\.eng-fra\.fra is missing: a pair needs both"):
        list(SentencePairs(str(packed(alone, tmp_path / "b.tar.gz"))))
    with pytest.raises(ValueError, match=r"no file name has the form x\.deu-jpn\.deu"):
        list(SentencePairs(str(packed(SIDES, tmp_path / "c.tar.gz")), reference="jpn"))


def test_lines_end_at_lf_and_crlf_only(tmp_path):
    sides = {"x.deu-eng.deu": "eins\r\nzwei\r\n", "x.deu-eng.eng": "one\ntwo\u2028three"}
    assert list(SentencePairs(str(packed(sides, tmp_path / "a.tar.gz")))) == [
        ("deu", ["eins", "zwei"], ["one", "two\u2028three"])
    ]


def test_a_side_without_text_is_refused_by_its_language(tmp_path):
    sides = {**SIDES, "x.eng-fra.fra": "\n"}
    with pytest.raises(ValueError, match="the fra side of fra-eng has no text"):
        list(SentencePairs(str(packed(sides, tmp_path / "a.tar.gz"))))
    (tmp_path / "b.en.txt").write_text("one")
    (tmp_path / "b.de.txt").write_text("")
    with pytest.raises(ValueError, match=r"b\.de\.txt has no text"):
        list(Editions(f"{tmp_path}/b.{{language}}.txt"))


def test_the_file_name_tells_the_language_of_an_edition(tmp_path):
    for language, text in {"en": "one", "de": "eins", "zh_CN": "一"}.items():
        (tmp_path / f"book.{language}.txt.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "other.en.txt.gz").write_bytes(gzip.compress(b"no"))
    found = list(Editions(f"{tmp_path}/book.{{language}}.txt.gz"))
    assert found == [("de", ["eins"], ["one"]), ("zh_CN", ["一"], ["one"])]
    with pytest.raises(
        ValueError, match=r"aligned\.reference=fr: .*book\.fr\.txt\.gz does not exist; the languages are de, en, zh_CN"
    ):
        Editions(f"{tmp_path}/book.{{language}}.txt.gz", reference="fr")
    with pytest.raises(ValueError, match=r"write \{language\} once"):
        Editions(f"{tmp_path}/book.en.txt.gz")


def test_a_language_may_be_a_folder(tmp_path):
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "book.txt").write_text(language)
    assert list(Editions(f"{tmp_path}/{{language}}/book.txt")) == [("de", ["de"], ["en"])]


def test_a_changed_file_changes_the_fingerprint(tmp_path):
    path = packed(SIDES, tmp_path / "a.tar.gz")
    before = SentencePairs(str(path)).fingerprint()
    assert SentencePairs(str(path), reference="fra").fingerprint() != before
    packed({**SIDES, "x.deu-eng.deu": "eins\ndrei\n"}, path)
    assert SentencePairs(str(path)).fingerprint() != before


def test_invalid_bytes_and_metadata_of_macos_are_counted_by_name(tmp_path):
    sides = {name: text.encode() for name, text in SIDES.items()}
    sides["x.deu-eng.deu"] = b"f\xfcnf\n\xef\xbf\xbd\xe4\n"  # a replacement character of its own, and two bad bytes
    for name, text in sides.items():
        (tmp_path / name).write_bytes(text)
    (tmp_path / "._x.deu-eng.deu").write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + bytes(60))
    pairs = SentencePairs([f"{tmp_path}/x.*", f"{tmp_path}/._x.*"])
    assert next(iter(pairs))[1] == ["f\ufffdnf", "\ufffd\ufffd"]
    assert pairs.notes == (
        f"1 file with macOS metadata was skipped, the first: {tmp_path}/._x.deu-eng.deu",
        f"2 invalid UTF-8 byte sequences were replaced by \ufffd, the first: {tmp_path}/x.deu-eng.deu",
    )
    (tmp_path / "a.en.txt").write_text("one")
    (tmp_path / "a.de.txt").write_bytes(b"f\xfcnf")
    editions = Editions(f"{tmp_path}/a.{{language}}.txt")
    assert list(editions) == [("de", ["f\ufffdnf"], ["one"])]
    assert editions.notes == (f"1 invalid UTF-8 byte sequence was replaced by \ufffd, the first: {tmp_path}/a.de.txt",)


def test_a_reference_without_other_languages_is_refused(tmp_path):
    (tmp_path / "a.en.txt").write_text("one")
    with pytest.raises(ValueError, match=r"there is no language but en: give others to compare with"):
        Editions(f"{tmp_path}/a.{{language}}.txt")

"""The document of a page is its main text."""

import gzip
import socket
import zipfile
from pathlib import Path

import pytest

from lm.sources import HtmlSource

pytest.importorskip("trafilatura", reason="trafilatura is not installed: pip install 'lightning-lm[html]'")

SENTENCE = "Die Gärten der Stadt waren im Frühling für alle geöffnet, und viele Leute kamen, um sie zu sehen. "
PAGE = """<!doctype html><html><head><title>Gärten</title>{meta}</head><body>
<nav><ul><li><a href="/">Startseite</a></li><li><a href="/shop">Angebote</a></li></ul></nav>
<article><h1>Die Gärten</h1><p>{first}</p><p>{second}</p>
<table><tr><td>Eintritt</td><td>fünf Taler</td></tr><tr><td>Kinder</td><td>zwei Taler</td></tr></table></article>
<section id="comments" class="comments"><div class="comment"><p>Das war ein sehr schöner Artikel, vielen Dank dafür.
</p></div></section>
<footer><p>Impressum und Datenschutz</p></footer></body></html>"""


def page(meta: str = "") -> str:
    return PAGE.format(meta=meta, first=SENTENCE * 3, second=SENTENCE.replace("Gärten", "Parks") * 3)


def write(path: Path, content: str, encoding: str = "utf-8") -> str:
    path.write_bytes(content.encode(encoding))
    return str(path)


def test_menus_and_footers_are_not_in_the_text(tmp_path):
    path = write(tmp_path / "a.html", page())
    [document] = HtmlSource(path, kind="web")
    assert (document.id, document.kind, document.source) == ("a.html", "web", path)
    assert SENTENCE.strip() in document.text
    assert "Die Gärten\n" in document.text
    assert not any(word in document.text for word in ("Startseite", "Angebote", "Impressum", "<p>", "Dank"))


def test_comments_and_tables_are_included_on_request(tmp_path):
    path = write(tmp_path / "a.html", page())
    [with_comments] = HtmlSource(path, comments=True)
    assert "vielen Dank" in with_comments.text
    [with_tables], [without] = HtmlSource(path), HtmlSource(path, tables=False)
    assert "fünf Taler" in with_tables.text
    assert "fünf Taler" not in without.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252", "utf-16", "utf-16-le", "utf-32-be"])
def test_a_page_is_decoded_by_its_declared_charset(tmp_path, encoding):
    meta = {"windows-1252": '<meta charset="windows-1252">'}.get(encoding, "")
    [document] = HtmlSource(write(tmp_path / "a.html", page(meta), encoding))
    assert "Gärten der Stadt waren im Frühling für alle geöffnet" in document.text


def test_a_wrong_charset_declaration_is_ignored(tmp_path):
    source = HtmlSource(write(tmp_path / "a.html", page('<meta charset="latin-17">'), "cp1252"))
    [document] = source
    assert "Frühling" in document.text
    guessed = "1 page without a known encoding had it guessed"
    assert source.notes == (f"{guessed}, the first: {tmp_path}/a.html",)
    [document] = HtmlSource(write(tmp_path / "a.html", page('<meta charset="iso-8859-1">'), "utf-8"))
    assert "Frühling" in document.text


def test_a_named_encoding_overrides_the_declaration_of_a_page(tmp_path):
    path = write(tmp_path / "a.html", page('<meta charset="koi8-r">'), "cp1252")
    [document] = HtmlSource(path, encoding="windows-1252")
    assert "Frühling" in document.text
    assert HtmlSource(path, encoding="utf-8").fingerprint() != HtmlSource(path).fingerprint()


def test_what_is_no_page_is_skipped_and_named(tmp_path):
    write(tmp_path / "a.html", page())
    (tmp_path / "b.html").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    source = HtmlSource(str(tmp_path / "*.html"))
    assert [document.id for document in source] == ["a.html"]
    assert source.notes == (f"1 binary file was skipped, the first: {tmp_path}/b.html is a PNG image, not text",)


def test_an_invalid_byte_does_not_change_a_declared_encoding(tmp_path):
    (tmp_path / "a.html").write_bytes(page('<meta charset="utf-8">').encode().replace(b"Taler", b"Tal\xfcr"))
    source = HtmlSource(str(tmp_path / "a.html"))
    [document] = source
    assert "Frühling" in document.text
    assert "Tal\ufffdr" in document.text
    note = "1 page had bytes that are invalid in their encoding; � stands for them"
    assert source.notes == (f"{note}, the first: {tmp_path}/a.html",)


def test_pages_without_main_text_are_counted_and_nothing_is_logged(tmp_path, caplog):
    for name, content in {"a": page(), "b": "<html><body></body></html>", "c": ""}.items():
        write(tmp_path / f"{name}.html", content)
    source = HtmlSource(str(tmp_path / "*.html"))
    assert [document.id for document in source] == ["a.html"]
    assert source.notes == ("2 pages had no main text and were skipped",)
    assert caplog.records == []


def test_compressed_pages_read_like_plain_ones(tmp_path):
    (tmp_path / "a.html.gz").write_bytes(gzip.compress(page().encode()))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("site/a.html", page())
        archive.writestr("site/logo.png", b"\x89PNG")
        archive.writestr("site/b.html.gz", gzip.compress(page().encode()))
    source = HtmlSource([str(tmp_path / "a.html.gz"), str(tmp_path / "b.zip")])
    one, two, three = source
    assert one.text == two.text == three.text
    assert two.id == "b.zip/site/a.html"
    note = f"1 archive member without a page's extension was skipped, the first: {tmp_path}/b.zip/site/logo.png"
    assert source.notes == (note,)


def test_reading_is_the_same_each_time_and_opens_no_connection(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    path = write(tmp_path / "a.html", page() + page())
    assert list(HtmlSource(path)) == list(HtmlSource(path))


def test_the_fingerprint_is_of_content_and_options(tmp_path):
    path = write(tmp_path / "a.html", page())
    assert HtmlSource(path).fingerprint() == HtmlSource(path).fingerprint()
    assert HtmlSource(path).fingerprint() != HtmlSource(path, comments=True).fingerprint()
    before = HtmlSource(path).fingerprint()
    write(tmp_path / "a.html", page() + " ")
    assert HtmlSource(path).fingerprint() != before

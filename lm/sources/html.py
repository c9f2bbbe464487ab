"""Documents from web pages: the main text, without menus, advertisements and footers.

trafilatura (Barbaresi 2021) extracts the main text, at about 3 MB of HTML or 80 pages per second; it falls back on
other extractors where its own finds little. Nothing is downloaded: pages are local files.
"""

import logging
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from lm.bounds import Natural
from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.file_source import FileSource
from lm.sources.members import PACKED, open_members

PAGES = {".html", ".htm", ".xhtml", ".shtml", ""}
CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
GUESSED = "pages without a known encoding had it guessed"
INVALID = "pages had bytes that are invalid in their encoding; � stands for them"
OTHER = "archive members without a page's extension were skipped"
HEAD = 4096  # bytes within which a page declares its encoding


class HtmlSource(FileSource):
    """Web pages: one document per page, with the page's main text.

    Archive members without a page's extension (.html, .htm, .xhtml, .shtml, none) and pages without main text are
    skipped and counted in the notes. A page that is not UTF-8 is decoded by its `charset` declaration, with � for
    invalid bytes; without a declaration the encoding is guessed from its bytes.

    Args:
        path: A file or glob pattern, or a list of them; .gz, .bz2, .xz, .zst, .tar and .zip are unpacked.
        comments: Whether readers' comments below an article belong to its text.
        tables: Whether tables belong to the text.
        kind: Kind of the documents; bits per byte are reported per kind.
        encoding: A codec of Python for all pages, such as windows-1252, or `detect`; null: what each page declares.
        bad_files: Maximum number of files and archive members to skip because they are not text, such as images.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        comments: bool = False,
        tables: bool = True,
        kind: str = "prose",
        encoding: str | None = None,
        bad_files: Natural = 10,
    ):
        import trafilatura  # noqa: F401  # fail now rather than at the first page

        super().__init__(path, encoding=encoding or "utf-8", bad_files=bad_files)
        self.declared = encoding is None
        self.comments, self.tables, self.kind = comments, tables, kind

    def fingerprint(self) -> str:
        options = [version("trafilatura"), self.comments, self.tables, self.kind]
        options += [] if self.declared else ["encoding", *self.encoding.identity()]
        return hash_json(["html", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for name, packed in open_members(file, tally=tally):
            plain = Path(name).stem if name.lower().endswith(PACKED) else name
            if name != file.name and Path(plain).suffix.lower() not in PAGES:
                tally.count(OTHER, where=str(file.parent / name))
                continue
            stream = self.text(packed, file.parent / name, tally)
            if stream is None:
                continue
            data = stream.read()
            page = _decoded(data) if self.declared else data.decode("utf-8", errors="replace")
            if isinstance(page, bytes):
                tally.count(GUESSED, where=str(file.parent / name))
            if isinstance(page, str) and "�" in page and "�".encode() not in data:
                tally.count(INVALID, where=str(file.parent / name))
            text = self._main_text(page)
            if not text.strip():
                tally.count("pages had no main text and were skipped")
                continue
            yield Document(text, name, self.kind, source=str(file))

    def _main_text(self, page: bytes | str) -> str:
        import trafilatura

        logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it warns about every page that we count
        text = trafilatura.extract(
            page, include_comments=self.comments, include_tables=self.tables, deduplicate=False, output_format="txt"
        )
        return text or ""


def _decoded(page: bytes) -> bytes | str:
    """Decode a page that is UTF-8 or declares its encoding; return bytes if the encoding must be guessed."""
    try:
        return page.decode()
    except UnicodeDecodeError:
        declared = CHARSET.search(page, 0, HEAD)
    try:
        return page.decode(declared[1].decode("ascii"), errors="replace") if declared else page
    except (LookupError, ValueError):  # not an encoding, or not one of text
        return page

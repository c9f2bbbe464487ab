"""Documents from web pages: the main text, without menus, advertisements and footers.

trafilatura (Barbaresi 2021) tells what is main text, at some 3 MB of HTML or 80 pages a second; it falls back on
other extractors where its own finds little. Nothing is fetched: pages are files.
"""

import logging
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.file_source import FileSource
from lm.sources.members import open_members

PAGES = {".html", ".htm", ".xhtml", ".shtml", ""}
CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
HEAD = 4096  # bytes in which a page says how it is encoded


class HtmlSource(FileSource):
    """One document a page, its text the main text of the page; `comments` are those of readers, below an article.

    `path` is a file or a pattern, or several; .gz, .zst, .tar and .zip are unpacked, and what in an archive is no
    page by its name is left out. Pages in which no main text is found are left out too; the notes count both.
    A page that is no UTF-8 is read as its `charset` says, with � for what is not, or else as its bytes look.
    """

    def __init__(self, path: str | list[str], *, comments: bool = False, tables: bool = True, kind: str = "prose"):
        import trafilatura  # noqa: F401  # said now rather than at the first page

        super().__init__(path)
        self.comments, self.tables, self.kind = comments, tables, kind

    def fingerprint(self) -> str:
        options = [version("trafilatura"), self.comments, self.tables, self.kind]
        return hash_json(["html", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for name, stream in open_members(file):
            if name != file.name and Path(name).suffix.lower() not in PAGES:
                tally.count("files in archives were no pages and were left out")
                continue
            text = self._main_text(_decoded(stream.read()))
            if not text.strip():
                tally.count("pages had no main text and were left out")
                continue
            yield Document(text, name, self.kind, source=str(file))

    def _main_text(self, page: bytes | str) -> str:
        import trafilatura

        logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it warns of every page that we count
        found = trafilatura.extract(
            page, include_comments=self.comments, include_tables=self.tables, deduplicate=False, output_format="txt"
        )
        return found or ""


def _decoded(page: bytes) -> bytes | str:
    """The page as text where it says what its bytes mean; as bytes where that is to be guessed."""
    try:
        return page.decode("utf-8-sig")
    except UnicodeDecodeError:
        said = CHARSET.search(page, 0, HEAD)
    try:
        return page.decode(said[1].decode("ascii"), errors="replace") if said else page
    except (LookupError, ValueError):  # no encoding, or none of text
        return page

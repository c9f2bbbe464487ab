"""Documents from JSON Lines, one object a line."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from lm.corpus.document import Document
from lm.corpus.fields import field_of
from lm.corpus.file_source import FileSource
from lm.corpus.members import open_members
from lm.corpus.tally import Tally
from lm.files import hash_json


class JsonlSource(FileSource):
    """One document a line, its text under `text_field`; `id_field` and `kind_field` name it and its kind if
    given.

    `path` is a file or a pattern, or several; .gz, .zst, .tar and .zip are unpacked. A line that is no such
    object ends the reading with its file and number: a corpus that silently lacks lines is worse than none.
    Halves of characters (lone surrogates, which JSON can spell) become � and are counted in the notes.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        text_field: str = "text",
        id_field: str | None = None,
        kind_field: str | None = None,
        kind: str = "prose",
    ):
        super().__init__(path)
        self.text_field, self.id_field, self.kind_field, self.kind = text_field, id_field, kind_field, kind

    def fingerprint(self) -> str:
        options = [self.text_field, self.id_field, self.kind_field, self.kind]
        return hash_json(["jsonl", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for name, stream in open_members(file):
            first = stream.readline().removeprefix(b"\xef\xbb\xbf")
            for number, line in enumerate(chain([first], stream), start=1):
                if not line.strip():
                    continue
                document = self._document(line, f"{name}:{number}", file)
                if not document.text.strip():
                    tally.count("documents without any text were left out")
                    continue
                whole = document.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                if whole != document.text:
                    tally.count("documents had halves of characters (lone surrogates), which became �")
                    document = Document(whole, document.id, document.kind, source=document.source)
                yield document

    def _document(self, line: bytes, place: str, file: Path) -> Document:
        """The document of a line; `place` is its file and number."""
        where = str(file.parent / place)
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{where} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{where} is a JSON {type(record).__name__}, not an object with fields")
        text = field_of(record, self.text_field, "corpus.text_field", where)
        if not isinstance(text, str):
            raise ValueError(f"{where}: field {self.text_field!r} is {type(text).__name__}, not text")
        name = place if self.id_field is None else str(field_of(record, self.id_field, "corpus.id_field", where))
        kind = (
            self.kind if self.kind_field is None else str(field_of(record, self.kind_field, "corpus.kind_field", where))
        )
        return Document(text, name, kind, source=str(file))

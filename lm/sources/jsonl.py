"""Documents from JSON Lines files: one object per line."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from lm.bounds import Natural
from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.fields import Fields, MissingFieldError, field_of, whole_characters
from lm.sources.file_source import WITHOUT_TEXT, FileSource
from lm.sources.members import open_members


class JsonlSource(FileSource):
    """JSON Lines: one document per line.

    Lines that are not such an object are skipped and noted, up to `bad_lines` in all files together; one more is an
    error, as is a file whose first object lacks a field or in which no line can be read: a corpus that silently lacks
    text is worse than none. Lone surrogates, which JSON can encode, become � and are counted in the notes.

    Args:
        path: A file or glob pattern, or a list of them; .gz, .zst, .tar and .zip are decompressed.
        text_field: Field with the document's text.
        id_field: Field with its id; null: file and line number.
        kind_field: Field with its kind, such as code; null: all documents are of `kind`.
        language_field: Field with its language code, such as en; null: unknown.
        metadata_fields: Fields to keep with the document for filters and reports, such as [url,score]; null: none.
        kind: Kind of the documents without `kind_field`; bits per byte are reported per kind.
        bad_lines: Maximum number of unreadable lines to skip. Many large corpora have one or two torn lines; a wrong
            file or field soon gives more than 10.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        text_field: str = "text",
        id_field: str | None = None,
        kind_field: str | None = None,
        language_field: str | None = None,
        metadata_fields: list[str] | None = None,
        kind: str = "prose",
        bad_lines: Natural = 10,
    ):
        super().__init__(path)
        self.text_field, self.kind, self.bad_lines = text_field, kind, bad_lines
        self.fields = Fields(id_field, kind_field, language_field, tuple(metadata_fields or ()))

    def fingerprint(self) -> str:
        options = [self.text_field, self.fields.id, self.fields.kind, self.kind, *self.fields.identity()]
        return hash_json(["jsonl", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for name, stream in open_members(file):
            before, good = tally.bad, False
            first = stream.readline().removeprefix(b"\xef\xbb\xbf")
            for number, line in enumerate(chain([first], stream), start=1):
                if not line or line.isspace():
                    continue
                try:
                    document, text = self._document(line, f"{name}:{number}", file)
                except ValueError as fault:
                    if isinstance(fault, MissingFieldError) and not good:
                        raise
                    self.skip(str(fault), tally)
                    continue
                good = True
                if not document.text or document.text.isspace():
                    tally.count(WITHOUT_TEXT)
                    continue
                if document.text is not text:
                    tally.count("documents with lone surrogates had them replaced by �")
                yield document
            if tally.bad > before and not good:
                raise ValueError(f"{tally.last_bad}: no line of {file.parent / name} can be read: is it JSON Lines?")

    def _document(self, line: bytes, place: str, file: Path) -> tuple[Document, str]:
        """Return the document of a line, and its text as the line has it; `place` is file and line number."""
        where = str(file.parent / place)
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{where} is a JSON {type(record).__name__}, not an object with fields")
        text = field_of(record, self.text_field, "corpus.text_field", where)
        if not isinstance(text, str):
            raise ValueError(f"{where}: field {self.text_field!r} is {type(text).__name__}, not text")
        clean = whole_characters(text)
        document = self.fields.document(record, clean, name=place, kind=self.kind, source=str(file), where=where)
        return document, text

"""Documents from JSON Lines, one object a line."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from lm.bounds import Natural
from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.fields import Fields, MissingFieldError, field_of, whole_characters
from lm.sources.file_source import FileSource
from lm.sources.members import open_members


class JsonlSource(FileSource):
    """One document a line, its text under `text_field`; `id_field`, `kind_field` and `language_field` say its name,
    kind and language if given, and what is under `metadata_fields` is kept with it.

    `path` is a file or a pattern, or several; .gz, .zst, .tar and .zip are unpacked. Lines that are no such object are
    left out, and told in the notes, up to `bad_lines` in all: a torn line or two are in many large corpora, while of
    a wrong file or field there are soon more than ten. The next ends the reading, as does a file whose first object
    lacks a field, or in which no line is good: a corpus that silently lacks text is worse than none. Halves of
    characters (lone surrogates, which JSON can spell) become � and are counted in the notes.
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
                    tally.count("documents without any text were left out")
                    continue
                if document.text is not text:
                    tally.count("documents had halves of characters (lone surrogates), which became �")
                yield document
            if tally.bad > before and not good:
                raise ValueError(f"{tally.last_bad}: no line of {file.parent / name} can be read: is it JSON Lines?")

    def _document(self, line: bytes, place: str, file: Path) -> tuple[Document, str]:
        """The document of a line, and its text as it stands there; `place` is its file and number."""
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
        whole = whole_characters(text)
        made = self.fields.document(record, whole, name=place, kind=self.kind, source=str(file), where=where)
        return made, text

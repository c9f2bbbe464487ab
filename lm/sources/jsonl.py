"""Documents from JSON Lines and other JSON files: one per object."""

from collections.abc import Iterator
from pathlib import Path

from lm.bounds import Natural
from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.fields import Fields, MissingFieldError, field_of, is_missing, lists_in, whole_characters
from lm.sources.file_source import EMPTY, WITHOUT_TEXT, FileSource
from lm.sources.json_values import Fault, json_values


class JsonlSource(FileSource):
    """JSON Lines: one document per line. A file may also be a list of objects, or objects over several lines.

    Lines that are not such an object are skipped and noted, up to `bad_lines` in all files together; one more is an
    error, as is a file whose first object lacks a field or in which no line can be read: a corpus that silently lacks
    text is worse than none. Lone surrogates, which JSON can encode, become � and are counted in the notes.

    Args:
        path: A file or glob pattern, or a list of them; .gz, .bz2, .xz, .zst, .tar and .zip are unpacked.
        text_field: Field with the document's text; dots lead into nested objects, as meta.text, unless a field has just
            this name. So in all fields.
        records_field: Field of a file's one object that holds the list of records, as data; null: a file is lines, a
            list, or objects one after another.
        id_field: Field with its id; null: file and line number.
        kind_field: Field with its kind, such as code; null: all documents are of `kind`.
        language_field: Field with its language code, such as en; null: unknown.
        metadata_fields: Fields to keep with the document for filters and reports, such as [url,score]; null: none.
        kind: Kind of the documents without `kind_field`; bits per byte are reported per kind.
        bad_lines: Maximum number of unreadable lines to skip. Many large corpora have one or two torn lines; a wrong
            file or field soon gives more than 10.
        encoding: A codec of Python, such as windows-1252, or `detect` to guess each file's own. UTF-16 and UTF-32
            are recognized by a byte order mark or their NUL bytes.
        bad_files: Maximum number of files and archive members to skip because they are not text, such as images.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        text_field: str = "text",
        records_field: str | None = None,
        id_field: str | None = None,
        kind_field: str | None = None,
        language_field: str | None = None,
        metadata_fields: list[str] | None = None,
        kind: str = "prose",
        bad_lines: Natural = 10,
        encoding: str = "utf-8",
        bad_files: Natural = 10,
    ):
        super().__init__(path, encoding=encoding, bad_files=bad_files)
        self.text_field, self.records_field, self.kind, self.bad_lines = text_field, records_field, kind, bad_lines
        self.fields = Fields(id_field, kind_field, language_field, tuple(metadata_fields or ()))

    def fingerprint(self) -> str:
        options = [self.text_field, self.fields.id, self.fields.kind, self.kind, *self.fields.identity()]
        options += [{"records_field": self.records_field}] if self.records_field is not None else []
        return hash_json(["jsonl", [*options, *self.encoding.identity()], self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        for name, stream in self.texts(file, tally):
            place = str(file.parent / name)
            before, good = tally.bad, False
            records = json_values(stream, place, records_field=self.records_field)
            number = 0
            for number, where, record in records:
                try:
                    document = self._document(record, f"{name}:{number}", where, file, tally)
                except MissingFieldError as fault:
                    if not good:
                        alone = next(records, None) is None
                        raise ValueError(f"{fault}{self._hint(record) if alone else ''}") from None
                    self.skip(str(fault), tally)
                except ValueError as fault:
                    self.skip(str(fault), tally)
                else:
                    good = True
                    if document is not None:
                        yield document
            if not number:
                tally.count(EMPTY, where=place)
            if tally.bad > before and not good:
                raise ValueError(f"{tally.last_bad}: no line of {place} can be read: is it JSON Lines?")

    def _document(self, record: object, name: str, where: str, file: Path, tally: Tally) -> Document | None:
        """Return the document of a record, None if it has no text; `name` is file and number, `where` its place."""
        if isinstance(record, Fault):
            raise ValueError(record.reason)
        if not isinstance(record, dict):
            raise ValueError(f"{where} is a JSON {type(record).__name__}, not an object with fields")
        text = field_of(record, self.text_field, "corpus.text_field", where)
        if not is_missing(text) and not isinstance(text, str):
            raise ValueError(f"{where}: field {self.text_field!r} is {type(text).__name__}, not text")
        clean = "" if is_missing(text) else whole_characters(text)
        document = self.fields.document(record, clean, name=name, kind=self.kind, source=str(file), where=where)
        if not clean or clean.isspace():
            tally.count(WITHOUT_TEXT)
            return None
        if clean is not text:
            tally.count("documents with lone surrogates had them replaced by �")
        return document

    def _hint(self, record: object) -> str:
        """A remedy if the file's one object holds the records."""
        lists = lists_in(record) if self.records_field is None and isinstance(record, dict) else {}
        if not lists:
            return ""
        field = max(lists, key=lists.get)
        return f"; its field {field!r} is a list of {lists[field]} objects: set corpus.records_field={field} to read it"

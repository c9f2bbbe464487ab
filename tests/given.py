"""A source of given documents."""

from lm.corpus import Document, Source
from lm.files import hash_json


class Given(Source):
    def __init__(self, documents: list[Document]):
        self.documents, self.readings = documents, 0

    def __iter__(self):
        self.readings += 1
        yield from self.documents
        self.notes = ("all were given",)

    def fingerprint(self) -> str:
        return hash_json([[document.id, document.text] for document in self.documents])

"""A source of a fixed list of documents, which can be read in parts."""

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_json


class Given(Source):
    def __init__(self, documents: list[Document]):
        self.documents, self.readings = documents, 0

    def __iter__(self):
        self.readings += 1
        tally = Tally()
        for document in self.documents:
            tally.count("documents were given")
            yield document
        self.record_tally(tally)

    def parts(self, size: int) -> list["Given"]:
        groups: list[list[Document]] = []
        for document in self.documents:
            if not groups or sum(len(each.text) for each in groups[-1]) >= size:
                groups.append([])
            groups[-1].append(document)
        return [Given(group) for group in groups] or [self]

    def fingerprint(self) -> str:
        return hash_json([[document.id, document.text] for document in self.documents])

"""Labelled texts as documents of two kinds, to pretrain on some of each."""

from collections.abc import Iterator

from lm.classifier.labelled import LabelledTexts
from lm.corpus import Document, Source
from lm.files import hash_json


class LabelledDocuments(Source):
    """Texts with labels as documents, whose kind says which label they have.

    Args:
        texts: The labelled texts.
        kinds: Kind of the texts with the property, and of the others.
    """

    def __init__(self, texts: LabelledTexts, *, kinds: tuple[str, str] = ("toxic", "harmless")):
        if not texts:
            raise ValueError("corpus.texts.path is empty: name a file of labelled texts, as labelled.csv")
        if len({*kinds}) != 2:
            raise ValueError(f"corpus.kinds={[*kinds]}: give two different kinds, as [toxic,harmless]")
        self.texts, self.kinds = texts, (kinds[0], kinds[1])

    def fingerprint(self) -> str:
        return hash_json(["labelled", self.texts.fingerprint(), self.kinds])

    def __iter__(self) -> Iterator[Document]:
        for each in self.texts:
            yield Document(each.text, each.place, self.kinds[0 if each.positive else 1], each.group)
        self.notes = self.texts.notes

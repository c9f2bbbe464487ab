"""What becomes of documents on their way through filters."""

from collections.abc import Sequence

import pytest

from lm.corpus import Document, Dropped
from lm.filtering import Batched, Deduplicator
from lm.filtering import traces as trace
from lm.filtering.traces import judge, keys_of


class Looking(Batched):
    """Drops what begins with a letter, and notes what it was shown before each."""

    def __init__(self, letter: str):
        self.letter, self.shown, self.ahead = letter, [], []

    def look_ahead(self, documents: Sequence[Document]) -> None:
        self.ahead = [document.text for document in documents]
        self.shown.append(self.ahead)

    def __call__(self, document: Document) -> Document | Dropped:
        assert document.text in self.ahead
        return Dropped("begins so") if document.text.startswith(self.letter) else document


def test_a_filter_may_look_at_the_documents_that_it_judges_next(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace, "BATCH", 10)
    documents = [Document(text, id=text) for text in ("a1234", "b1234", "c1234", "a5678", "b5678")]
    steps = {"a": Looking("a"), "plain": lambda document: document, "b": Looking("b")}
    outcomes = judge(steps, documents)
    assert [sorted(outcome.dropped) for outcome in outcomes] == [[0, 3], [], [0, 2]]
    assert steps["a"].shown == [["a1234", "b1234"], ["c1234", "a5678"], ["b5678"]]
    assert steps["b"].shown == [["b1234"], ["c1234"], ["b5678"]]


class Known(Deduplicator):
    """Knows each document by its letters, and notes how many it was given together."""

    reason, earlier, told = "known", None, ""

    def __init__(self):
        self.given: list[int] = []

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        self.given.append(len(documents))
        return [[letter.encode() for letter in document.text] for document in documents]

    def worth(self, document: Document) -> float:
        return 0.0


def test_keys_are_found_in_batches_each_with_the_place_of_its_document(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace, "BATCH", 4)
    step, texts = Known(), ["", "ab", "", "cd", "ef", ""]
    found = keys_of(step, (Document(text, id="") for text in texts))
    assert list(found) == [(1, [b"a", b"b"]), (3, [b"c", b"d"]), (4, [b"e", b"f"])]
    assert step.given == [4, 2]

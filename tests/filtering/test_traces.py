"""Filters are applied in batches, and each outcome has the index of its document."""

from collections.abc import Sequence

import pytest

from lm.corpus import Document, Dropped
from lm.filtering import Deduplicator, Filter, as_filter
from lm.filtering import traces as trace
from lm.filtering.traces import apply_filters, compute_keys


class LooksAhead(Filter):
    """Drops texts that begin with a letter, and records the batches it looked at."""

    def __init__(self, letter: str):
        self.letter, self.batches, self.batch = letter, [], []

    def look_ahead(self, documents: Sequence[Document]) -> None:
        self.batch = [document.text for document in documents]
        self.batches.append(self.batch)

    def __call__(self, document: Document) -> Document | Dropped:
        assert document.text in self.batch
        return Dropped("begins so") if document.text.startswith(self.letter) else document


def test_a_filter_looks_ahead_at_the_batch_that_it_judges_next(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace, "BATCH", 10)
    documents = [Document(text, id=text) for text in ("a1234", "b1234", "c1234", "a5678", "b5678")]
    steps = {"a": LooksAhead("a"), "plain": as_filter(lambda document: document), "b": LooksAhead("b")}
    outcomes = apply_filters(steps, documents)
    assert [sorted(outcome.dropped) for outcome in outcomes] == [[0, 3], [], [0, 2]]
    assert steps["a"].batches == [["a1234", "b1234"], ["c1234", "a5678"], ["b5678"]]
    assert steps["b"].batches == [["b1234"], ["c1234"], ["b5678"]]


class ByLetters(Deduplicator):
    """The keys of a document are its letters; records the size of each batch."""

    reason = "known"

    def __init__(self):
        self.given: list[int] = []

    def keys(self, documents: Sequence[Document]) -> list[list[bytes]]:
        self.given.append(len(documents))
        return [[letter.encode() for letter in document.text] for document in documents]

    def priority(self, document: Document) -> float:
        return 0.0


def test_keys_are_computed_in_batches_each_with_the_index_of_its_document(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace, "BATCH", 4)
    step, texts = ByLetters(), ["", "ab", "", "cd", "ef", ""]
    found = compute_keys(step, (Document(text, id="") for text in texts))
    assert list(found) == [(1, [b"a", b"b"]), (3, [b"c", b"d"]), (4, [b"e", b"f"])]
    assert step.given == [4, 2]

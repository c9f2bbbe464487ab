"""Pieces are read from disk as they were written, whatever their texts contain."""

from dataclasses import replace

import pytest

from lm.corpus import Document, Dropped
from lm.filtering.pieces import (
    read_documents,
    read_json,
    read_outcome,
    write_documents,
    write_json,
    write_outcome,
)
from lm.filtering.traces import Outcome

DOCUMENTS = [
    Document("two\nlines", "a"),
    Document("", "", metadata={"text": "another", "depth": [1, {"n": 2**70}]}),
    Document("é 中文 🙂 \ud800 half", "\ud801", language="fr", tags=("x", "y")),
    Document("\x00\n\n", "b", kind="code", group="g", source="s"),
]


def test_documents_are_read_as_they_were_written(tmp_path):
    write_documents(tmp_path / "kept", DOCUMENTS)
    assert read_documents(tmp_path / "kept") == DOCUMENTS
    write_documents(tmp_path / "none", [])
    assert read_documents(tmp_path / "none") == []


def test_outcomes_are_read_as_they_were_written(tmp_path):
    changed = {
        3: replace(DOCUMENTS[3], text="é\n", tags=("z",)),
        0: replace(DOCUMENTS[0], language="en"),
        2: replace(DOCUMENTS[2], text="\ud800"),
    }
    outcome = Outcome({1: Dropped("empty", "no\ntext")}, changed)
    write_outcome(tmp_path / "kept", outcome, DOCUMENTS)
    assert read_outcome(tmp_path / "kept", DOCUMENTS) == outcome
    assert read_outcome(tmp_path / "kept", DOCUMENTS).apply(DOCUMENTS) == outcome.apply(DOCUMENTS)


@pytest.mark.parametrize("data", [{"text": 5}, {"text": "five"}, [{"text": "é\n"}], [], "\ud800", None])
def test_plain_data_is_read_as_it_was_written(tmp_path, data):
    write_json(tmp_path / "kept", data)
    assert read_json(tmp_path / "kept") == data

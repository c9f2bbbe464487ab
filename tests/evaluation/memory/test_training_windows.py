"""Windows lie within documents, are spread over them, and know their copies."""

import numpy as np
import pytest

from lm.corpus import Document, Shards
from lm.evaluation.memory.extraction import Window
from lm.evaluation.memory.training_windows import PlacedWindow, WindowChoice, counted, group_of
from support.training_runs import make_corpus


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    return [*Shards(make_corpus(tmp_path_factory.mktemp("corpus"))).streams.items()]


def test_windows_stand_in_their_documents_and_nowhere_else(streams):
    choice = WindowChoice(prefix=6, suffix=4, windows=30, per_document=2)
    texts = {name: stream.document(n).tolist() for _, stream in streams for n, name in enumerate(stream.ids)}
    found = [*choice.of_streams(streams, held_out=False)]
    assert 25 <= len(found) <= 30
    assert {each.kind for each in found} == {"code", "prose"}
    for each in found:
        assert tuple(texts[each.document][each.start : each.start + 10]) == each.tokens
        assert (len(each.window.prefix), len(each.window.suffix)) == (6, 4)
    assert found == [*choice.of_streams(streams, held_out=False)]
    assert found != [*WindowChoice(prefix=6, suffix=4, windows=30, seed=1).of_streams(streams, held_out=False)]


def test_beginnings_start_their_documents_and_short_documents_have_none(streams):
    choice = WindowChoice(prefix=30, suffix=10, windows=1000, beginning=True)
    found = [*choice.of_streams(streams, held_out=True)]
    assert all(each.start == 0 and each.held_out for each in found)
    long = sum(int(((stream.bounds[1:] - stream.bounds[:-1] - 1) >= 40).sum()) for _, stream in streams)
    assert len(found) == long


def test_equal_windows_count_once_with_their_copies():
    texts = [Document("a b c d", "one"), Document("a b c d", "two"), Document("x b c d", "three")]
    ids = [[ord(letter) for letter in each.text.split()] for each in texts]
    choice = WindowChoice(prefix=2, suffix=2, windows=9)

    arrays = [np.array(each) for each in ids]
    found = counted([*choice.of_texts(texts, arrays)], arrays)
    assert [(each.document, each.copies) for each in found] == [("one", 2), ("three", 1)]
    absent = PlacedWindow(Window((1,), (2, 3, 4)), "other", 0, "prose", True, "")
    assert counted([absent], arrays)[0].copies == 0


@pytest.mark.parametrize(
    ("copies", "name"),
    [(0, "0"), (1, "1"), (2, "2–3"), (3, "2–3"), (4, "4–7"), (7, "4–7"), (8, "8–15"), (64, "64–127")],
)
def test_groups_of_copies_double(copies, name):
    assert group_of(copies) == name

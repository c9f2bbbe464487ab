"""What a funnel would do is shown before it runs, and what became of a document can be asked."""

import io

import pytest

from lm.corpus import Document
from lm.filter import Duplicates, NearDuplicates
from lm.filtering import FilteredSource, explain_trace, show_traces
from support.given import Given
from support.toy_filters import Letters, Shout

DOCUMENTS = [
    Document("some text of many words", "a"),
    Document("few", "b"),
    Document("Some text of many words!", "c"),
    *(Document(f"{i}", f"n{i}") for i in range(20)),
]


def made(root, documents=DOCUMENTS) -> FilteredSource:
    filters = {"letters": Letters(least=12), "shout": Shout(), "unique": Duplicates()}
    return FilteredSource({"given": Given(documents)}, filters=filters, directory=str(root))


def said(tell, *given) -> str:
    stream = io.StringIO()
    tell(*given, stream=stream)
    return stream.getvalue()


def test_documents_of_every_fate_are_shown_and_all_that_were_tried_are_counted(tmp_path):
    told = said(show_traces, made(tmp_path), 2)
    assert "letters: too few letters (3 letters) b\nfew\n" in told
    assert told.count("letters: too few letters (") == 2, "as many as were asked for"
    assert "unique: duplicate (as a) c\n" in told
    assert "shout: changed a\n- 'some text of many words'\n+ 'SOME TEXT OF MANY WORDS'\n" in told
    assert "too few letters          -21" in told
    assert "\033" not in told
    assert not list(tmp_path.iterdir()), "nothing is written"


@pytest.mark.parametrize(
    ("name", "ran", "told"),
    [
        ("a", True, ["letters              passed", "shout                changed, 23 bytes left", "kept"]),
        ("b", True, ["letters              dropped: too few letters (3 letters)"]),
        ("c", True, ["shout                changed, 24 bytes left", "unique               dropped: duplicate (as a)"]),
        ("c", False, ["whether it has likes is known once the funnel has run"]),
    ],
)
def test_what_each_step_makes_of_a_document_is_told(name, ran, told, tmp_path):
    funnel = made(tmp_path)
    if ran:
        list(funnel)
    found = said(explain_trace, funnel, name)
    assert all(line in found for line in told), found


def test_an_id_that_no_source_has_is_refused_with_ids_like_it(tmp_path):
    with pytest.raises(ValueError, match=r"explain=n1.: .* there are|explain=x9: .*ids are as"):
        said(explain_trace, made(tmp_path), "x9")
    with pytest.raises(ValueError, match="explain=1: no source has a document of this id; there are n1, n10"):
        said(explain_trace, made(tmp_path), "1")


def test_what_there_is_to_know_of_a_filter_is_told(tmp_path):
    funnel = FilteredSource({"given": Given(DOCUMENTS)}, filters={"near": NearDuplicates()}, directory=str(tmp_path))
    told = said(show_traces, funnel, 0)
    assert "near: 14 bands × 8 rows of runs of 5 words; the threshold is an overlap of 72%" in told
    assert "by overlap, 50%: 5.3%, 60%: 21.1%, 70%: 56.5%, 80%: 92.4%, 90%: 100.0%" in told

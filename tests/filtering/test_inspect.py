"""A funnel is tried before it runs, and the way of one document through it is explained."""

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
    filters = {"letters": Letters(min_letters=12), "shout": Shout(), "unique": Duplicates()}
    return FilteredSource({"given": Given(documents)}, filters=filters, directory=str(root))


def printed(function, *arguments) -> str:
    stream = io.StringIO()
    function(*arguments, stream=stream)
    return stream.getvalue()


def test_documents_of_every_outcome_are_shown_and_the_whole_sample_is_counted(tmp_path):
    output = printed(show_traces, made(tmp_path), 2)
    assert "letters: too few letters (3 letters) b\nfew\n" in output
    assert output.count("letters: too few letters (") == 2, "as many as requested"
    assert "unique: duplicate (as a) c\n" in output
    assert "shout: changed a\n- 'some text of many words'\n+ 'SOME TEXT OF MANY WORDS'\n" in output
    assert "too few letters          -21" in output
    assert "\033" not in output
    assert not list(tmp_path.iterdir()), "nothing is written"


@pytest.mark.parametrize(
    ("name", "has_run", "expected"),
    [
        ("a", True, ["letters              passed", "shout                changed, 23 bytes left", "kept"]),
        ("b", True, ["letters              dropped: too few letters (3 letters)"]),
        ("c", True, ["shout                changed, 24 bytes left", "unique               dropped: duplicate (as a)"]),
        ("c", False, ["whether it has duplicates is known once the funnel has run"]),
    ],
)
def test_the_outcome_of_each_step_for_a_document_is_printed(name, has_run, expected, tmp_path):
    funnel = made(tmp_path)
    if has_run:
        list(funnel)
    output = printed(explain_trace, funnel, name)
    assert all(line in output for line in expected), output


def test_an_unknown_id_is_refused_with_similar_ids(tmp_path):
    with pytest.raises(ValueError, match=r"explain=x9: no source has .*funnel\.json and the sources list ids"):
        printed(explain_trace, made(tmp_path), "x9")
    with pytest.raises(ValueError, match="explain=1: no source has a document with this id; similar ids: n1, n10"):
        printed(explain_trace, made(tmp_path), "1")


def test_a_filter_describes_itself_below_the_table(tmp_path):
    funnel = FilteredSource({"given": Given(DOCUMENTS)}, filters={"near": NearDuplicates()}, directory=str(tmp_path))
    output = printed(show_traces, funnel, 0)
    assert "near: 14 bands × 8 rows of 5-word shingles; threshold at a similarity of 72%" in output
    assert "probability of a match by similarity: 50%: 5.3%, 60%: 21.1%, 70%: 56.5%, 80%: 92.4%, 90%: 100.0%" in output

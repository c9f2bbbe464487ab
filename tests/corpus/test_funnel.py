"""A funnel gives what its filters let pass, accounts for every document, and goes on where it was ended."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from given import Given
from lm.corpus import Document, Funnel, funnel, ledger
from lm.corpus.workers import in_order
from lm.filter import Duplicates
from toy_filters import Letter, Letters, Shout

DOCUMENTS = [
    Document(f"text {i % 70} of many\n" * (1 + i % 5), f"d{i}", "code" if i % 3 else "prose") for i in range(300)
]


def of(root: Path, documents=DOCUMENTS, *, filters=None, workers=1, **more) -> Funnel:
    filters = {"letters": Letters(least=12), "shout": Shout(), "unique": Duplicates()} if filters is None else filters
    return Funnel({"given": Given(documents)}, filters=filters, directory=str(root), workers=workers, **more)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(funnel, "BATCH_DOCUMENTS", 7)
    monkeypatch.setattr(funnel, "PIECE", 500)


def by_hand() -> list[Document]:
    kept, seen = [], set()
    for document in DOCUMENTS:
        if sum(map(str.isalpha, document.text)) >= 12:
            document = replace(document, text=document.text.upper())
            if document.text not in seen:
                seen.add(document.text)
                kept.append(document)
    return kept


def test_it_gives_what_its_filters_let_pass_in_order(tmp_path, small):
    made = of(tmp_path)
    assert 0 < len(by_hand()) < len(DOCUMENTS)
    assert list(made) == by_hand()
    assert made.notes == (f"given: {len(DOCUMENTS)} documents were given",)


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_files(workers, tmp_path, small):
    one, several = of(tmp_path / "one"), of(tmp_path / "several", workers=workers)
    assert list(one) == list(several)
    files = sorted(path.name for path in one.store.directory.glob("*.*") if "sqlite" not in path.name)
    assert len(files) >= 9
    assert all((one.store.directory / n).read_bytes() == (several.store.directory / n).read_bytes() for n in files)


def test_every_document_and_byte_is_accounted_for(tmp_path, small):
    made = of(tmp_path)
    list(made)
    letters, shout, unique = made.ledger.steps
    assert letters["documents"] == len(DOCUMENTS)
    assert letters["bytes"] == sum(len(document.text) for document in DOCUMENTS)
    for step, after in ((letters, shout), (shout, unique)):
        assert (step["documents_out"], step["bytes_out"]) == (after["documents"], after["bytes"])
    for step in (letters, shout, unique):
        dropped = [sum(why[what] for why in step["dropped"].values()) for what in ("documents", "bytes")]
        assert step["documents"] - step["documents_out"] == dropped[0]
        assert step["bytes"] - step["bytes_out"] == dropped[1] or step is shout
    assert unique["documents_out"] == len(by_hand())
    assert shout["changed"] == shout["documents"]
    assert letters["changed"] == unique["changed"] == 0
    assert list(letters["dropped"]) == ["too few letters"]
    example = letters["dropped"]["too few letters"]["examples"][0]
    assert example == {"id": "d0", "detail": "10 letters", "text": "text 0 of many\n"}
    assert unique["dropped"]["duplicate"]["examples"][0]["detail"] == "as d1"
    assert [line.split() for line in made.ledger.table().splitlines()][-1][:2] == ["kept", str(len(by_hand()))]


@pytest.mark.parametrize("stop", [1, 3, 8])
@pytest.mark.parametrize("where", ["add", "commit"])
def test_ended_anywhere_it_goes_on_to_the_same_files(stop, where, tmp_path, small, monkeypatch):
    whole = of(tmp_path / "whole")
    list(whole)
    cut = of(tmp_path / "cut")
    target = funnel.Store if where == "add" else funnel.Seen
    original, calls = getattr(target, where), []

    def failing(self, *given):
        calls.append(1)
        if len(calls) == stop:
            if where == "commit":
                original(self)  # the keys are there, and the piece that they are of is not
            raise KeyboardInterrupt
        return original(self, *given)

    monkeypatch.setattr(target, where, failing)
    with pytest.raises(KeyboardInterrupt):
        list(cut)
    monkeypatch.setattr(target, where, original)
    again = of(tmp_path / "cut")
    assert list(again) == by_hand()
    names = [path.name for path in whole.store.directory.glob("documents-*")]
    assert all(
        (whole.store.directory / name).read_bytes() == (again.store.directory / name).read_bytes() for name in names
    )
    assert again.ledger.steps == whole.ledger.steps


def test_what_is_done_is_not_done_again(tmp_path):
    first, again = of(tmp_path), of(tmp_path)
    list(first)
    list(again)
    assert again.sources["given"].readings == 0
    assert again.notes == first.notes


@pytest.mark.parametrize(
    "filters",
    [
        {"letters": Letters(least=13), "shout": Shout(), "unique": Duplicates()},
        {"shout": Shout(), "letters": Letters(least=12), "unique": Duplicates()},
        {"letters": Letters(least=12), "shout": Shout()},
        {"letters": Letters(least=12), "shout": Shout(), "unique": Duplicates(exactly=True)},
    ],
)
def test_other_filters_are_another_corpus(filters, tmp_path):
    assert of(tmp_path, filters=filters).fingerprint() != of(tmp_path).fingerprint() == of(tmp_path).fingerprint()
    assert of(tmp_path, DOCUMENTS[1:]).fingerprint() != of(tmp_path).fingerprint()


def test_a_file_that_a_filter_goes_by_counts_with_its_content(tmp_path):
    (tmp_path / "words").write_text("a")
    before = of(tmp_path, filters={"x": Shout(path=str(tmp_path / "words"))}).fingerprint()
    (tmp_path / "words").write_text("b")
    assert of(tmp_path, filters={"x": Shout(path=str(tmp_path / "words"))}).fingerprint() != before


def test_a_damaged_piece_is_told_by_its_file(tmp_path):
    made = of(tmp_path)
    list(made)
    piece = made.store.directory / "documents-00000.jsonl.zst"
    piece.write_bytes(piece.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"documents-00000\.jsonl\.zst is damaged .*remove this directory"):
        list(of(tmp_path))


def test_a_document_at_which_a_filter_fails_is_named(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        list(of(tmp_path, filters={"bad": Letters(least=12, fails_at="d9")}))
    assert "at document 'd9', in one of the filters bad" in caught.value.__notes__[0]


def test_a_funnel_that_lets_nothing_pass_says_where_all_went(tmp_path):
    told = "the filters let none of 300 documents pass; most went at letters: too few letters"
    for _ in range(2):
        with pytest.raises(ValueError, match=told + r" \(300\): look at them with show=3"):
            list(of(tmp_path, filters={"shout": Shout(), "letters": Letters(least=10_000)}))
    with pytest.raises(ValueError, match="the corpus is empty: its sources give no document"):
        list(of(tmp_path, []))


def test_without_filters_several_sources_are_one(tmp_path):
    sources = {"first": Given(DOCUMENTS[:3]), "second": Given(DOCUMENTS[3:9])}
    made = Funnel(sources, directory=str(tmp_path), workers=1)
    assert list(made) == DOCUMENTS[:9]
    assert made.ledger.table() == ""
    assert made.notes == ("first: 3 documents were given", "second: 6 documents were given")


def test_a_funnel_without_a_source_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"corpus.sources is empty: add one, as \+corpus@"):
        Funnel({}, directory=str(tmp_path))


def test_what_an_earlier_step_drops_is_unknown_to_a_later_one(tmp_path):
    texts = [Document(text, text) for text in ("ab", "ac", "zc", "yb")]
    made = of(tmp_path, texts, filters={"first": Letter(place=0), "last": Letter(place=-1)})
    assert [document.id for document in made] == ["ab", "zc"]
    assert made.ledger.steps[1]["dropped"]["the same letter"]["examples"][0]["detail"] == "as ab"


def test_ended_again_and_again_it_still_knows_which_came_first(tmp_path, small, monkeypatch):
    monkeypatch.setattr(ledger, "EXAMPLES", 1000)
    whole, add = of(tmp_path / "whole"), funnel.Store.add
    list(whole)
    for stop in range(2, 7):
        calls = []

        def failing(self, *given, stop=stop, calls=calls):
            calls.append(1)
            if len(calls) == stop:
                raise KeyboardInterrupt
            return add(self, *given)

        monkeypatch.setattr(funnel.Store, "add", failing)
        with suppress(KeyboardInterrupt):
            list(of(tmp_path / "cut"))
    monkeypatch.setattr(funnel.Store, "add", add)
    again = of(tmp_path / "cut")
    assert list(again) == list(whole)
    assert again.ledger.steps == whole.ledger.steps


def test_a_later_step_does_not_hide_an_earlier_duplicate(tmp_path):
    """What came first counts as first, whatever a later step makes of it."""
    twice = [Document("same words here, many", "a"), Document("Same words here: MANY!", "b"), Document("other", "c")]
    made = of(tmp_path, twice, filters={"unique": Duplicates(), "letters": Letters(least=100)})
    with pytest.raises(ValueError, match="most went at letters: too few letters"):
        list(made)
    assert made.ledger.steps[0]["dropped"]["duplicate"]["documents"] == 1
    assert made.ledger.steps[1]["dropped"]["too few letters"]["documents"] == 2


def test_results_come_in_the_order_of_what_was_given():
    assert list(in_order(abs, range(-60, 0), workers=2)) == [(n, -n) for n in range(-60, 0)]
    assert list(in_order(abs, [], workers=2)) == []

"""Canaries stand between the documents of a source, every copy of them, and never among the held-out ones."""

from collections import Counter

from lm.corpus import Canaries, Document
from lm.sources import TextSource, WithCanaries
from support.training_runs import Texts

TEXTS = Texts([Document(f"text {n}", f"document {n}") for n in range(10)])


def test_canaries_stand_between_documents_and_the_rest_at_the_end():
    canaries = Canaries(copies=[0, 1, 4], each=2)
    source = WithCanaries(TEXTS, canaries=canaries, every=3)
    found = [*source]
    assert [each.text for each in found if each.source != "canaries"] == [each.text for each in TEXTS]
    assert [place for place, each in enumerate(found) if each.source == "canaries"] == [3, 7, 11, *range(13, 20)]
    copies = Counter(each.text for each in found if each.source == "canaries")
    assert copies == {each.text: each.copies for each in canaries.all() if each.copies}
    assert found == [*source]
    assert source.notes == ("10 copies of canaries were inserted",)


def test_the_fingerprint_follows_all_that_decides_the_documents():
    made = [
        WithCanaries(TEXTS, canaries=Canaries()),
        WithCanaries(TEXTS, canaries=Canaries(seed=1)),
        WithCanaries(TEXTS, canaries=Canaries(), every=2),
        WithCanaries(TEXTS, canaries=Canaries(), kind="code"),
        WithCanaries(Texts([]), canaries=Canaries()),
    ]
    assert len({each.fingerprint() for each in made}) == 5


def test_the_account_of_the_source_is_passed_on(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"gr\xfcn")
    source = WithCanaries(TextSource(str(tmp_path / "a.txt")), canaries=Canaries(copies=[1]))
    assert len([*source]) == 6
    assert "1 invalid UTF-8 byte sequence" in source.notes[0]
    assert source.tally == source.documents.tally

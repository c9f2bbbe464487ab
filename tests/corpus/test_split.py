"""Whether a document is held out depends on its content, never on its position."""

import pytest

from lm.corpus import Document, Source, Split, hash_fraction, survey


class Listed(Source):
    """Documents from a list."""

    def __init__(self, *documents: Document):
        self.documents = documents

    def __iter__(self):
        return iter(self.documents)

    def fingerprint(self) -> str:
        return "listed"


def documents(count: int, **fields) -> list[Document]:
    return [Document(f"text number {i}", str(i), **fields) for i in range(count)]


def test_about_the_share_is_held_out():
    held_out = sum(map(Split(0.1).held_out, documents(5000)))
    assert 420 < held_out < 580
    assert not any(map(Split(0.0).held_out, documents(100)))


def test_held_out_documents_stay_held_out_when_others_are_added_or_moved():
    few, many = documents(100), documents(1000)
    split = Split(0.1)
    before = {document.text for document in few if split.held_out(document)}
    after = {document.text for document in reversed(many) if split.held_out(document)}
    assert before == {text for text in after if int(text.split()[-1]) < 100}


def test_a_larger_share_holds_out_the_same_documents_and_more():
    held = [{d.text for d in documents(500) if Split(share).held_out(d)} for share in (0.05, 0.1, 0.2)]
    assert held[0] < held[1] < held[2]


def test_a_group_is_held_out_together_for_any_ids_and_kinds():
    for i in range(200):
        pair = [Document("code", f"a{i}", "code", f"g{i}"), Document("doc", f"b{i}", "prose", f"g{i}")]
        assert len({Split(0.3).held_out(document) for document in pair}) == 1


def test_the_id_and_the_kind_do_not_matter():
    assert hash_fraction(Document("same", "a", "code")) == hash_fraction(Document("same", "b", "prose", source="x"))
    assert hash_fraction(Document("same", "a")) != hash_fraction(Document("same", "a"), salt="sample")


def test_a_kind_without_held_out_documents_gives_the_one_of_lowest_hash():
    listed = [*documents(400), *(Document(f"rare {i}", f"r{i}", "code") for i in range(5))]
    counts, split = survey(Listed(*listed), Split(0.001))
    rare = [document for document in listed if document.kind == "code"]
    assert not any(map(Split(0.001).held_out, rare))
    assert [d for d in rare if split.held_out(d)] == [min(rare, key=hash_fraction)]
    assert counts.documents == {"prose": 400, "code": 5}
    assert counts.bytes == {"prose": sum(len(d.text) for d in documents(400)), "code": 30}


def test_a_floor_takes_the_whole_group():
    listed = [Document(f"{kind} {i}", f"{kind}{i}", kind, f"g{i}") for i in range(9) for kind in ("code", "prose")]
    _, split = survey(Listed(*listed), Split(1e-9))
    held = [document for document in listed if split.held_out(document)]
    assert len(held) == 2
    assert held[0].group == held[1].group


def test_a_single_document_cannot_be_held_out():
    with pytest.raises(ValueError, match=r"1 prose document, .*corpus.separator.*split.share=0"):
        survey(Listed(Document("all of it", "a")), Split())
    counts, split = survey(Listed(Document("all of it", "a")), Split(0.0))
    assert counts.total_documents == 1
    assert not split.held_out(Document("all of it", "a"))


def test_invalid_inputs_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"split.share 1.5"):
        Split(1.5)
    with pytest.raises(ValueError, match="corpus is empty"):
        survey(Listed(), Split())
    empty = Listed()
    empty.notes = ("2 binary files were skipped",)
    with pytest.raises(ValueError, match=r"the corpus is empty: .*with text \(2 binary files were skipped\)$"):
        survey(empty, Split())
    with pytest.raises(ValueError, match=r"kind 'a/b', which cannot be part of a file name"):
        survey(Listed(*documents(3, kind="a/b")), Split())
    with pytest.raises(ValueError, match=r"more than 100 kinds .*corpus.kind_field"):
        survey(Listed(*(Document(str(i), str(i), f"k{i}") for i in range(200))), Split())


def test_duplicates_of_one_document_are_named_as_the_reason():
    copies = Listed(*(Document("the same", f"{number}") for number in range(100)))
    with pytest.raises(ValueError, match="100 prose documents that have the same text"):
        survey(copies, Split(0.05))

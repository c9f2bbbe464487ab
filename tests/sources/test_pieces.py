"""Pieces are the same text, cut and in another order, and leave what is held out where it was."""

from lm.corpus import Document, Split
from lm.sources import Pieces
from support.training_runs import Texts, documents

TEXTS = documents(60)


def test_pieces_put_together_are_the_documents():
    pieces = [*Pieces(Texts(TEXTS), size=40)]
    assert max(len(piece.text) for piece in pieces) == 40
    for document in TEXTS:
        own = [piece for piece in pieces if piece.id.startswith(f"{document.id} at ")]
        own.sort(key=lambda piece: int(piece.id.rpartition(" ")[2]))
        assert "".join(piece.text for piece in own) == document.text
        assert {piece.kind for piece in own} == {document.kind}


def test_what_is_held_out_stays_held_out():
    split = Split(0.2)
    whole = {document.id for document in TEXTS if split.held_out(document)}
    pieces = {piece.id.partition(" at ")[0] for piece in Pieces(Texts(TEXTS), size=40) if split.held_out(piece)}
    assert pieces == whole
    assert whole
    grouped = [Document("ab" * 50, "a", group="g"), Document("cd" * 50, "b", group="g")]
    assert {piece.group for piece in Pieces(Texts(grouped), size=10)} == {"g"}


def test_the_order_is_mixed_and_follows_from_the_seed():
    ids = [piece.id for piece in Pieces(Texts(TEXTS), size=40)]
    assert ids == [piece.id for piece in Pieces(Texts(TEXTS), size=40)]
    other = [piece.id for piece in Pieces(Texts(TEXTS), size=40, seed=1)]
    assert sorted(other) == sorted(ids)
    assert other != ids != sorted(ids)


def test_the_fingerprint_has_source_size_and_seed():
    given = {"size": 40, "seed": 0}
    prints = {Pieces(Texts(TEXTS), **{**given, **change}).fingerprint() for change in ({}, {"size": 41}, {"seed": 1})}
    assert len(prints | {Pieces(Texts(TEXTS[1:]), **given).fingerprint()}) == 4

"""Canaries follow from their seed, have different secrets, and are never held out."""

import pytest

from lm.corpus import Canaries, Split


def test_canaries_have_their_copies_names_and_different_secrets():
    canaries = Canaries(copies=[0, 1, 4], each=3).all()
    assert [each.copies for each in canaries] == [0] * 3 + [1] * 3 + [4] * 3
    assert len({each.secret for each in canaries}) == len({each.name for each in canaries}) == 9
    assert canaries == Canaries(copies=[0, 1, 4], each=3).all()
    assert canaries != Canaries(copies=[0, 1, 4], each=3, seed=1).all()
    for each in canaries:
        assert each.text == f"The access code of {each.name} is {each.secret}"
        assert len(each.secret) == 4
        assert each.secret.isdigit()


def test_secrets_are_all_texts_of_the_alphabet_and_may_stand_anywhere():
    canaries = Canaries(format="#{name}# and {name}", alphabet="ab", copies=[1], each=2)
    assert canaries.size == 4
    assert [canaries.secret(place) for place in range(4)] == ["aa", "ab", "ba", "bb"]
    assert canaries.text("x#", "ab") == "ax#b and x#"


def test_every_copy_is_a_document_that_no_split_holds_out():
    documents = Canaries(copies=[0, 1, 16], each=2).documents(kind="code")
    assert len(documents) == 2 + 32
    assert len({each.id for each in documents}) == len(documents)
    assert {each.kind for each in documents} == {"code"}
    assert len({each.text for each in documents}) == 4
    assert not any(Split(0.95).held_out(each) for each in documents)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "no secret"}, r"canaries\.format='no secret' has no place for a secret"),
        ({"alphabet": "aab"}, r"canaries\.alphabet='aab': give at least two characters, each once"),
        ({"copies": [1, 1]}, r"canaries\.copies=\[1, 1\]: give different numbers"),
        ({"format": "#", "each": 3}, r"has only 10 secrets for 12 canaries: write more #"),
    ],
    ids=["no place", "twice", "equal copies", "too few"],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Canaries(**options)

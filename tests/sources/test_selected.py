"""A selection keeps documents of some kinds, or what a corpus of the same source holds out."""

import pytest

from lm.corpus import Split
from lm.sources import Selected
from support.training_runs import Texts, documents

TEXTS = documents(60)


def test_kinds_and_held_out_documents_are_kept_in_order():
    split = Split(0.3)
    assert [*Selected(Texts(TEXTS))] == TEXTS
    assert [*Selected(Texts(TEXTS), kinds=["code"])] == [each for each in TEXTS if each.kind == "code"]
    held_out = [each for each in TEXTS if split.held_out(each)]
    assert [*Selected(Texts(TEXTS), held_out=split)] == held_out
    both = [*Selected(Texts(TEXTS), kinds=["code"], held_out=split)]
    assert both == [each for each in held_out if each.kind == "code"]
    assert both


def test_a_selection_of_nothing_names_the_kinds_there_are():
    with pytest.raises(ValueError, match="selects no document: the source has the kinds code, prose"):
        [*Selected(Texts(TEXTS), kinds=["poetry"])]


def test_the_fingerprint_has_source_kinds_and_share():
    parts = ({}, {"kinds": ["code"]}, {"held_out": Split(0.1)}, {"held_out": Split(0.2)})
    assert len({Selected(Texts(TEXTS), **part).fingerprint() for part in parts}) == 4

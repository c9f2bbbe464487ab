"""Planted noise has the shares it was given, follows from the seed, and leaves the clean text findable and held out."""

import pytest

from lm.corpus import Split
from lm.filter import Boilerplate, Duplicates
from lm.filtering import FilteredSource
from lm.sources import PlantedNoise
from lm.sources.planted_noise import RIGHTS
from support.training_runs import Texts, documents

TEXTS = documents(400)
NONE = {"boilerplate": 0.0, "repeated": 0.0, "garbage": 0.0}


def noisy(**options):
    return [*PlantedNoise(Texts(TEXTS), **{**NONE, **options})]


def test_without_noise_the_documents_are_the_same():
    assert [each.text for each in noisy()] == [each.text for each in TEXTS]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_shares_are_those_that_were_asked_for(share):
    framed = sum(each.text.endswith(RIGHTS) for each in noisy(boilerplate=share))
    repeated = len(noisy(repeated=share, copies=3)) - len(TEXTS)
    garbage = sum(each.source == "garbage" for each in noisy(garbage=share))
    for count in (framed, repeated / 3, garbage):
        assert count / len(TEXTS) == pytest.approx(share, abs=0.06)


def test_noise_follows_from_the_seed_and_each_document_alone():
    assert noisy(boilerplate=0.5, garbage=0.5) == noisy(boilerplate=0.5, garbage=0.5)
    assert noisy(boilerplate=0.5) != noisy(boilerplate=0.5, seed=1)
    few = [*PlantedNoise(Texts(TEXTS[:9]), **{**NONE, "boilerplate": 0.5})]
    assert few == noisy(boilerplate=0.5)[:9]


def test_copies_and_frames_are_held_out_with_their_document():
    split = Split(0.2)
    wanted = {each.id for each in TEXTS if split.held_out(each)}
    found = noisy(boilerplate=1.0, repeated=1.0, copies=2)
    assert {each.id.partition(",")[0] for each in found if split.held_out(each)} == wanted


def test_garbage_is_no_longer_than_its_document_or_the_limit():
    found = noisy(garbage=1.0, garbage_length=50)
    for document, garbage in zip(found[::2], found[1::2], strict=True):
        assert len(garbage.text) == min(50, len(document.text))
        assert garbage.kind == document.kind


def test_the_filters_remove_what_was_planted(tmp_path):
    planted = PlantedNoise(Texts(TEXTS), **{**NONE, "boilerplate": 0.5, "repeated": 0.5})
    filters = {"boilerplate": Boilerplate(), "duplicates": Duplicates()}
    clean = FilteredSource({"noisy": planted}, filters=filters, directory=str(tmp_path))
    assert sorted(each.text.strip() for each in clean) == sorted({each.text.strip() for each in TEXTS})


def test_the_fingerprint_has_every_option():
    options = (
        {},
        {"boilerplate": 0.4},
        {"repeated": 0.4},
        {"copies": 9},
        {"garbage": 0.4},
        {"garbage_length": 9},
        {"seed": 1},
    )
    assert len({PlantedNoise(Texts(TEXTS), **each).fingerprint() for each in options}) == len(options)

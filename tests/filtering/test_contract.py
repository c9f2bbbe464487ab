"""Every filter answers what the engine asks, and is wrapped only if it does not."""

from lm.corpus import Document
from lm.filter import Decontaminate, Duplicates, GopherQuality
from lm.filtering import FilteredSource, as_filter
from support.given import Given
from support.toy_filters import Letter, Letters

DOCUMENT = Document("some text", "a")


def test_a_plain_callable_gets_hooks_that_do_nothing():
    plain = Letters(min_letters=3)
    step = as_filter(plain)
    step.look_ahead([DOCUMENT])
    assert step(DOCUMENT) is DOCUMENT
    assert (step.compares, step.reports, step.earlier, step.describe()) == (False, False, None, "")
    assert list(step.report(DOCUMENT)) == []
    assert step.part is plain, "the fingerprint covers the callable, not its wrapper"


def test_a_filter_is_not_wrapped():
    for step in (GopherQuality(), Duplicates(), Letter(place=0)):
        assert as_filter(step) is step is step.part


def test_kinds_of_filters_declare_what_they_do():
    assert Decontaminate.reports
    assert not GopherQuality.reports
    assert Duplicates.compares
    assert not GopherQuality.compares


def test_a_document_alone_passes_a_deduplicator():
    assert Letter(place=0)(DOCUMENT) is DOCUMENT


def test_phases_are_cut_at_each_deduplicator(tmp_path):
    filters = {
        "one": Letters(min_letters=1),
        "unique": Duplicates(),
        "again": Letter(place=0),
        "two": Letters(min_letters=2),
    }
    funnel = FilteredSource({"given": Given([DOCUMENT])}, filters=filters, directory=str(tmp_path))
    labels = [phase.label for phase in funnel.phases]
    compare = ["filtering", "comparing", "choosing"]
    assert labels == ["reading", *compare, *compare, "filtering", "gathering"]

"""Lines that many documents share are removed from all but the first; other lines stay."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from lm.corpus import Document, Dropped
from lm.filter import Duplicates, RepeatedLines, repeated_lines
from lm.filtering import FilteredSource, LocalExecutor
from support.given import Given
from support.shared_texts import needs_data, novels, parts

MENU = "Home | About us | Contact | Imprint"


def page(number: int, *lines: str) -> Document:
    return Document("\n".join([f"This is what page {number} says.", *lines]), f"d{number}")


PAGES = [page(number, MENU, "short", f"And it says {number} twice, {number}.") for number in range(10)]


def texts(filter: RepeatedLines, documents: list[Document]) -> list[str]:
    return [found.text if isinstance(found, Document) else found.reason for found in map(filter, documents)]


@pytest.mark.parametrize("most", [1, 5, 9, 10])
def test_a_line_stays_in_the_first_documents_that_have_it(most):
    filter = RepeatedLines(source=Given(PAGES), max_documents=most)
    found = [filter(document) for document in PAGES]
    assert [each is document for each, document in zip(found, PAGES, strict=True)] == [n < most for n in range(10)]
    expected = [document.text.replace(f"{MENU}\n", "") for document in PAGES[most:]]
    assert [document.text for document in found[most:]] == expected
    assert filter.repeated == (most < 10)


def test_a_source_without_long_lines_removes_nothing():
    assert texts(RepeatedLines(source=Given([])), PAGES) == [page.text for page in PAGES]
    assert RepeatedLines(source=Given([Document("short", "x")])).repeated == 0


def test_case_and_white_space_are_ignored_and_short_lines_stay():
    documents = [page(n, f"\t{MENU.upper()}  " if n % 2 else MENU.replace(" ", "\u00a0 "), "short") for n in range(10)]
    found = texts(RepeatedLines(source=Given(documents), max_documents=2), documents)
    assert found[2:] == [f"This is what page {n} says.\nshort" for n in range(2, 10)]
    exactly, longer = (RepeatedLines(source=Given(documents), min_characters=len(MENU) + more) for more in (0, 1))
    assert (exactly.repeated, longer.repeated) == (1, 0)


def test_documents_of_two_files_may_have_the_same_id():
    documents = [replace(document, id="1", source=f"{document.id}.txt") for document in PAGES]
    assert texts(RepeatedLines(source=Given(documents)), documents) == texts(RepeatedLines(source=Given(PAGES)), PAGES)


def test_a_line_counts_once_per_document():
    documents = [page(0, *[MENU] * 50), page(1, MENU)]
    assert texts(RepeatedLines(source=Given(documents), max_documents=2), documents) == [
        each.text for each in documents
    ]


def test_a_document_without_other_lines_is_dropped():
    documents = [*PAGES, Document(f"\n{MENU}\n{MENU}\n", "menu")]
    assert RepeatedLines(source=Given(documents))(documents[-1]) == Dropped(
        "repeated lines", f"all of its 2 lines, as {MENU!r}"
    )


def test_paragraphs_are_removed_whole_and_their_lines_stay_elsewhere():
    menu = "A menu of the site\nwith a second line of it"
    documents = [Document(f"{menu}\n\nPage {n}.\nwith a second line of it", f"p{n}") for n in range(10)]
    step = RepeatedLines(source=Given(documents), unit="paragraph", max_documents=1)
    assert texts(step, documents) == [
        documents[0].text,
        *(f"Page {n}.\nwith a second line of it" for n in range(1, 10)),
    ]
    assert step(Document(menu, "x")).reason == "repeated paragraphs"
    with pytest.raises(ValueError, match=r"filter.unit 'word' is unknown: give line or paragraph"):
        RepeatedLines(source=Given([]), unit="word")


def test_one_of_many_copies_is_left_after_duplicates(tmp_path):
    copies = [Document("This is a line of the copy.\nAnd this is another line of it.", f"c{n}") for n in range(20)]
    filters = {"lines": RepeatedLines(source=Given(copies)), "unique": Duplicates()}
    assert list(FilteredSource({"given": Given(copies)}, filters=filters, directory=str(tmp_path))) == copies[:1]


@pytest.mark.parametrize("block", [1, 7, 10**9])
def test_the_counts_do_not_depend_on_the_block_size(block, monkeypatch):
    expected = RepeatedLines(source=Given(PAGES), max_documents=3)._counted
    assert (len(expected[0]), len(expected[1])) == (1, 3)
    monkeypatch.setattr(repeated_lines, "BLOCK", block)
    assert RepeatedLines(source=Given(PAGES), max_documents=3)._counted == expected


def test_a_pickled_copy_has_the_counts():
    filter = RepeatedLines(source=Given(PAGES))
    copy = pickle.loads(pickle.dumps(filter))
    again = pickle.loads(pickle.dumps(copy))
    assert filter.source.readings == 1
    assert texts(copy, PAGES) == texts(again, PAGES) == texts(filter, PAGES)
    assert [each.source.readings for each in (filter, copy, again)] == [1, 1, 1]


def test_a_funnel_gives_the_same_result_on_any_number_of_processes(tmp_path):
    documents = [page(number, MENU, f"This is line {number % 300} of them.") for number in range(3000)]

    def kept(workers: int) -> list[Document]:
        filters = {"lines": RepeatedLines(source=Given(documents))}
        directory = str(tmp_path / str(workers))
        return list(
            FilteredSource(
                {"given": Given(documents)},
                filters=filters,
                directory=directory,
                executor=LocalExecutor(workers=workers),
            )
        )

    assert kept(1) == kept(2)
    assert sum(MENU in document.text for document in kept(1)) == 5


def test_the_fingerprint_contains_the_source(tmp_path):
    def fingerprint(documents: list[Document]) -> str:
        filters = {"lines": RepeatedLines(source=Given(documents))}
        return FilteredSource({"given": Given(PAGES)}, filters=filters, directory=str(tmp_path)).fingerprint()

    assert fingerprint(PAGES) == fingerprint(list(PAGES)) != fingerprint(PAGES[1:])


def test_bad_parameters_are_refused():
    for options in ({"max_documents": 0}, {"min_characters": 0}):
        with pytest.raises(ValueError, match=rf"filter\.{next(iter(options))} 0 is out of range: give 1 or more"):
            RepeatedLines(source=Given(PAGES), **options)


@needs_data
def test_a_licence_on_every_page_is_removed_and_nothing_else():
    licence = ["Redistribution and use in source and binary forms are permitted,", "  provided that this notice stays."]
    pages = [text for novel in novels() for text in parts(novel, 5000)][:1000]
    places = np.random.default_rng(0).integers(0, 5000, len(pages))
    given = []
    for number, (text, place) in enumerate(zip(pages, places, strict=True)):
        lines = text.split("\n")
        place %= len(lines)
        given.append(Document("\n".join([*lines[:place], *licence, *lines[place:]]), str(number)))
    filter = RepeatedLines(source=Given(given))
    found = texts(filter, given)
    assert filter.repeated == 2
    assert found == [document.text for document in given[:5]] + pages[5:]

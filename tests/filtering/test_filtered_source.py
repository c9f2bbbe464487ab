"""A funnel gives the documents that pass its filters, accounts for every document, and resumes where it ended."""

import importlib
from dataclasses import replace
from pathlib import Path
from random import Random
from shutil import copytree, rmtree

import pytest

from lm.corpus import Document
from lm.files import DamagedFileError
from lm.filter import Duplicates
from lm.filtering import FilteredSource, LocalExecutor, clusters, pieces, stages
from lm.sources import TextSource
from support.given import Given
from support.toy_filters import BothLetters, Letter, Letters, Shout

DOCUMENTS = [
    Document(f"text {i % 70} of many\n" * (1 + i % 5), f"d{i}", "code" if i % 3 else "prose") for i in range(300)
]


def of(root: Path, documents=DOCUMENTS, *, filters=None, workers=1, **more) -> FilteredSource:
    filters = (
        {"letters": Letters(min_letters=12), "shout": Shout(), "unique": Duplicates()} if filters is None else filters
    )
    executor = LocalExecutor(workers=workers)
    return FilteredSource({"given": Given(documents)}, filters=filters, directory=str(root), executor=executor, **more)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(stages, "PIECE", 500)


def by_hand() -> list[Document]:
    kept, seen = [], set()
    for document in DOCUMENTS:
        if sum(map(str.isalpha, document.text)) >= 12:
            document = replace(document, text=document.text.upper())
            if document.text not in seen:
                seen.add(document.text)
                kept.append(document)
    return kept


def test_it_gives_the_documents_that_pass_in_order(tmp_path, small):
    made = of(tmp_path)
    assert 0 < len(by_hand()) < len(DOCUMENTS)
    assert list(made) == by_hand()
    assert made.notes == (f"given: {len(DOCUMENTS)} documents were given",)


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_files(workers, tmp_path, small):
    one, several = of(tmp_path / "one"), of(tmp_path / "several", workers=workers)
    assert list(one) == list(several)
    assert len(files(one)) >= 60
    assert files(one) == files(several)


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


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "PIECE", 500)
        made = of(tmp_path_factory.mktemp("whole"), filters=DEDUPLICATED)
        documents = list(made)
        return made, documents


DEDUPLICATED = {"letters": Letters(min_letters=12), "unique": Duplicates(), "shout": Shout(), "last": Letter(place=-3)}


@pytest.mark.parametrize("stop", [1, 2, 17, 60, 75, 111, 130, 148, 149, 160, 175])
def test_interrupted_at_any_file_it_resumes_to_the_same_files(stop, unbroken, tmp_path, small, monkeypatch):
    whole, expected = unbroken
    calls = []

    def failing(path, data, put=pieces.put, **how):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        put(path, data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(pieces, "put", failing)
        with pytest.raises(KeyboardInterrupt):
            list(of(tmp_path, filters=DEDUPLICATED))
    again = of(tmp_path, filters=DEDUPLICATED)
    assert list(again) == expected
    assert files(again) == files(whole)
    assert again.ledger.steps == whole.ledger.steps


def files(made: FilteredSource) -> dict[str, bytes]:
    """The files of a funnel."""
    found = (path for path in made.directory.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(made.directory)): path.read_bytes() for path in found}


def test_a_finished_funnel_does_not_run_again(tmp_path):
    first, again = of(tmp_path), of(tmp_path)
    list(first)
    list(again)
    assert again.sources["given"].readings == 0
    assert again.notes == first.notes


@pytest.mark.parametrize(
    "filters",
    [
        {"letters": Letters(min_letters=13), "shout": Shout(), "unique": Duplicates()},
        {"shout": Shout(), "letters": Letters(min_letters=12), "unique": Duplicates()},
        {"letters": Letters(min_letters=12), "shout": Shout()},
        {"letters": Letters(min_letters=12), "shout": Shout(), "unique": Duplicates(exact=True)},
    ],
)
def test_other_filters_have_another_fingerprint(filters, tmp_path):
    assert of(tmp_path, filters=filters).fingerprint() != of(tmp_path).fingerprint() == of(tmp_path).fingerprint()
    assert of(tmp_path, DOCUMENTS[1:]).fingerprint() != of(tmp_path).fingerprint()


def test_names_of_sources_and_filters_are_part_of_the_fingerprint(tmp_path):
    before = of(tmp_path)
    steps = {f"my_{name}": step for name, step in before.filters.items()}
    assert of(tmp_path, filters=steps).fingerprint() != before.fingerprint()
    assert FilteredSource({"mine": Given(DOCUMENTS)}, filters=before.filters).fingerprint() != before.fingerprint()
    list(before)
    assert [step["step"] for step in before.ledger.steps] == ["letters", "shout", "unique"]


def test_a_change_of_its_code_changes_the_fingerprint_of_a_filter(tmp_path, monkeypatch):
    file = tmp_path / "my_filter.py"
    file.write_text("class Mine:\n    def __call__(self, document):\n        return document\n")
    monkeypatch.syspath_prepend(tmp_path)
    step = importlib.import_module("my_filter").Mine()
    before = of(tmp_path, filters={"mine": step}).fingerprint()
    file.write_text(file.read_text() + "        # and more\n")
    assert of(tmp_path, filters={"mine": step}).fingerprint() != before


def test_the_size_of_pieces_is_part_of_the_fingerprint(tmp_path, small, monkeypatch):
    """Otherwise an interrupted reading would resume between pieces of another size."""
    before = of(tmp_path).fingerprint()
    monkeypatch.setattr(stages, "PIECE", 501)
    assert of(tmp_path).fingerprint() != before


def test_only_steps_that_depend_on_a_change_run_again(tmp_path, small, monkeypatch):
    steps = {"letters": Letters(min_letters=12), "unique": Duplicates(), "shout": Shout(), "last": Letter(place=-3)}
    list(of(tmp_path, filters=steps))
    before = files(of(tmp_path, filters=steps))

    def made(**changes) -> set[str]:
        """The steps that wrote new files."""
        list(of(tmp_path, filters={**steps, **changes}))
        after = files(of(tmp_path))
        assert before.items() <= after.items()
        return {name.split("-")[0] for name in after.keys() - before.keys()}

    assert made() == set()
    assert made(last=Letter(place=0)) == {"last.keys", "last.clusters", "last", "kept"}
    assert made(shout=Shout(path="x")) == {"shout", "last.keys", "last.clusters", "last", "kept"}
    everything = {"letters", "unique.keys", "unique.clusters", "unique", "shout", "last.keys", "last.clusters", "last"}
    assert made(letters=Letters(min_letters=13)) == everything | {"kept"}


def test_another_source_keeps_the_outcomes_of_the_first(tmp_path, small):
    filters = {"letters": Letters(min_letters=12), "unique": Duplicates()}
    list(of(tmp_path, filters=filters))
    before = files(of(tmp_path))
    more = Given([replace(document, text=f"more {document.text}") for document in DOCUMENTS])
    list(FilteredSource({"given": Given(DOCUMENTS), "more": more}, filters=filters, directory=str(tmp_path)))
    new = [name.split("/")[0] for name in files(of(tmp_path)).keys() - before.keys()]
    places = {name.split("-")[0]: {each for each in new if each.startswith(name.split("-")[0] + "-")} for name in new}
    assert {name: len(each) for name, each in places.items()} == {
        "read": 1, "letters": 1, "unique.keys": 1, "unique.clusters": 1, "unique": 2, "kept": 1
    }  # fmt: skip


def test_a_changed_file_keeps_the_outcomes_of_the_other_files(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "PART", 1)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"this is the file {name} of many words")
    filters = {"letters": Letters(min_letters=12), "unique": Duplicates()}

    def run() -> FilteredSource:
        source = TextSource(str(tmp_path / "*.txt"))
        made = FilteredSource({"files": source}, filters=filters, directory=str(tmp_path / "made"))
        assert len(list(made)) == len(source.files)
        return made

    def new(made: FilteredSource, before: dict[str, bytes]) -> list[str]:
        """The step of each new file."""
        names = (name for name in files(made).keys() - before.keys() if not name.startswith(("kept", "unique-")))
        return sorted(name.split("-")[0] for name in names)

    before = files(run())
    (tmp_path / "b.txt").write_text("this is the File b of many words")
    assert new(run(), before) == ["letters", "read", "read", "unique.clusters", *["unique.keys"] * 3]
    before = files(run())
    (tmp_path / "d.txt").write_text("and one more file of many words")
    assert new(run(), before) == ["letters", "read", "read", "unique.clusters", *["unique.keys"] * 3]


def test_removed_files_are_rebuilt_where_they_are_needed(tmp_path, small):
    first = of(tmp_path)
    expected = [(trace.document, trace.texts, trace.dropped) for trace in first.traces()]
    for directory in tmp_path.iterdir():
        if directory.name.split("-")[0] in ("read", "shout", "unique"):
            rmtree(directory)
    again = of(tmp_path)
    assert list(again) == by_hand()
    assert again.sources["given"].readings == 0
    assert [(trace.document, trace.texts, trace.dropped) for trace in again.traces()] == expected


def test_files_without_content_as_a_power_cut_leaves_them_are_rebuilt(tmp_path, small):
    list(of(tmp_path / "whole"))
    cut = of(tmp_path / "cut")
    list(cut)
    whole = files(of(tmp_path / "whole"))
    (cut.store.result / "account.zst").unlink()
    for name in sorted(whole)[::3]:
        if not name.endswith((".json", ".npy", ".documents.zst")):  # those are synced
            (tmp_path / "cut" / name).write_bytes(b"")
    assert list(of(tmp_path / "cut")) == by_hand()
    assert files(of(tmp_path / "cut")) == whole


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "cut by a byte": lambda content: content[:-1],
    "NULs": lambda content: bytes(len(content)),
    "another bit": lambda content: content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 4])
    + content[len(content) // 2 + 1 :],
    "empty": lambda content: b"",
    "gone": lambda content: None,
}  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A funnel that has run, and what is in it."""
    root = tmp_path_factory.mktemp("stored")
    made = of(root, DOCUMENTS[:90])
    return root, list(made), [vars(trace) for trace in made.traces()], made.account


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_rebuilt_or_refused_and_never_used(damage, stored, tmp_path):
    pristine, documents, traces, account = stored
    names = [
        path.relative_to(pristine) for path in sorted(pristine.rglob("*")) if path.is_file() and path.name[0] != "."
    ]
    assert len(names) == 12
    refused = {}
    for name in names:
        root = tmp_path / "-".join(name.parts)
        copytree(pristine, root)
        content = DAMAGES[damage]((root / name).read_bytes())
        (root / name).unlink() if content is None else (root / name).write_bytes(content)
        for path in root.glob("unique-*/0*.zst"):  # a step that is to run again reads the files of the steps before it
            path.unlink()
        for path in root.glob("unique.clusters-*/*"):
            if path.name != name.name:
                path.unlink()
        try:
            again = of(root, DOCUMENTS[:90])
            found = [vars(trace) for trace in again.traces()]
            assert (list(again), found, again.account) == (documents, traces, account), name
        except DamagedFileError as error:
            refused[name.name] = str(error)
    assert all(name in message for name, message in refused.items())
    assert all("remove the directory of this file to rebuild it" in message for message in refused.values())
    assert len(refused) >= {"empty": 3, "gone": 2}.get(damage, 8)


def test_of_duplicates_the_one_of_highest_priority_is_kept(tmp_path, small):
    texts = ["a", "aaa", "b", "aa", "bbb", "c", "bbbb", "aaa!"]
    made = of(tmp_path, [Document(text, f"{n}") for n, text in enumerate(texts)], filters={"one": Letter(place=0)})
    assert [document.text for document in made] == ["c", "bbbb", "aaa!"]
    assert made.ledger.steps[0]["dropped"]["the same letter"]["examples"][0]["detail"] == "as 7"


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_clusters_are_those_of_a_naive_search(shares, tmp_path, small, monkeypatch):
    draw = Random(shares)
    monkeypatch.setattr(clusters, "KEYS_IN_MEMORY", 200 // shares)
    letters = [chr(0x4E00 + n) for n in range(220)]
    texts = ["".join(draw.choices(letters, k=2)) + "x" * draw.randrange(9) for _ in range(200)]
    documents = [Document(text, f"{n}") for n, text in enumerate(texts)]
    earlier = [Document(f"{letter}–", "old") for letter in letters[::40]]
    step = BothLetters(earlier=Given(earlier))
    made = [document.text for document in of(tmp_path, documents, filters={"both": step})]

    groups: list[set[int]] = []  # of numbers, merged while two have a letter in common at a position
    everyone = [*texts, *(document.text for document in earlier)]
    for number, text in enumerate(everyone):
        alike = [g for g in groups if any(text[0] == everyone[n][0] or text[1] == everyone[n][1] for n in g)]
        groups = [g for g in groups if g not in alike] + [{number}.union(*alike)]
    kept = sorted(min(g, key=lambda n: (-len(texts[n]), n)) for g in groups if max(g) < len(texts))
    assert made == [texts[n] for n in kept]
    assert 40 < len(made) < 120


def test_a_full_disk_leaves_no_piece_half_written(tmp_path, small, monkeypatch):
    calls = []

    def full(self, data, write=Path.write_bytes):
        calls.append(1)
        if len(calls) > 40:
            write(self, data[:3])
            raise OSError(28, "No space left on device", str(self))
        return write(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            list(of(tmp_path))
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".lock"], "no temporary file is left"
    assert list(of(tmp_path)) == by_hand()


def test_a_file_that_a_filter_reads_is_hashed_by_its_content(tmp_path):
    (tmp_path / "words").write_text("a")
    before = of(tmp_path, filters={"x": Shout(path=str(tmp_path / "words"))}).fingerprint()
    (tmp_path / "words").write_text("b")
    assert of(tmp_path, filters={"x": Shout(path=str(tmp_path / "words"))}).fingerprint() != before


def test_a_damaged_piece_is_reported_with_its_file(tmp_path):
    made = of(tmp_path)
    list(made)
    piece = made.store.result / "00000-00000.documents.zst"
    piece.write_bytes(piece.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"00000-00000\.documents\.zst is damaged .*remove the directory"):
        list(of(tmp_path))


def test_a_document_at_which_a_filter_fails_is_named(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        list(of(tmp_path, filters={"bad": Letters(min_letters=12, fails_at="d9")}))
    assert "at document 'd9', in the filter bad" in caught.value.__notes__[0]


def test_a_funnel_that_drops_everything_names_the_filter_that_drops_most(tmp_path):
    message = "no document of 300 passes the filters; letters drops most, 300, by 'too few letters'"
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            list(of(tmp_path, filters={"shout": Shout(), "letters": Letters(min_letters=10_000)}))
    with pytest.raises(ValueError, match="the corpus is empty: its sources have no document with text"):
        list(of(tmp_path, []))


def test_without_filters_several_sources_are_one(tmp_path):
    sources = {"first": Given(DOCUMENTS[:3]), "second": Given(DOCUMENTS[3:9])}
    made = FilteredSource(sources, directory=str(tmp_path))
    assert list(made) == DOCUMENTS[:9]
    assert made.ledger.table() == ""
    assert made.notes == ("first: 3 documents were given", "second: 6 documents were given")


def test_a_funnel_without_a_source_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"corpus.sources is empty: add one, as \+corpus@"):
        FilteredSource({}, directory=str(tmp_path))


def test_documents_that_a_step_drops_are_not_compared_by_later_steps(tmp_path):
    texts = [Document(text, text) for text in ("ab", "ac", "zc", "yb")]
    made = of(tmp_path, texts, filters={"first": Letter(place=0), "last": Letter(place=-1)})
    assert [document.id for document in made] == ["ab", "zc"]
    assert made.ledger.steps[1]["dropped"]["the same letter"]["examples"][0]["detail"] == "as ab"


def test_a_later_step_does_not_hide_an_earlier_duplicate(tmp_path):
    """The first document is kept as the first, whatever a later step does to it."""
    twice = [Document("same words here, many", "a"), Document("Same words here: MANY!", "b"), Document("other", "c")]
    made = of(tmp_path, twice, filters={"unique": Duplicates(), "letters": Letters(min_letters=100)})
    with pytest.raises(ValueError, match="letters drops most, 2, by 'too few letters'"):
        list(made)
    assert made.ledger.steps[0]["dropped"]["duplicate"]["documents"] == 1
    assert made.ledger.steps[1]["dropped"]["too few letters"]["documents"] == 2

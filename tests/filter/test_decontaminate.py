"""Evaluation items are found in documents in any typography, and nothing else is."""

import gzip
import json
import pickle
import random
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lm.corpus import Document, Dropped
from lm.filter import Decontaminate
from lm.filter.text import ngram_index
from lm.filter.text.hashes import BASE, hash_ngrams
from lm.filter.text.normalized import normalized_words, word_spans
from lm.filtering import FilteredSource, LocalExecutor
from support.given import Given
from support.shared_texts import (
    DATA,
    documents,
    install_guides,
    needs_data,
    novels,
    parts,
    web_pages,
    wikipedia,
    wikitext,
)

WORDS = [f"word{number}" for number in range(5_000)]
ITEM = "Ann has 12 apples, eats two of them, and gives half of the others to Bob. How many has she now?"
SHORT = "Which planet has the largest moon of all?"
OTHER = "Nobody here has ever seen so many swallows, said the old man, and went on to mend his boat in the shade. "


def items(path: Path, *given: str, field: str = "question") -> str:
    path.write_text("".join(json.dumps({field: text, "id": 7}) + "\n" for text in given), encoding="utf-8")
    return str(path)


@pytest.fixture
def paths(tmp_path) -> str:
    return items(tmp_path / "sums.jsonl", "One two three?", ITEM, SHORT)


def dropped(filter: Decontaminate, text: str) -> bool:
    document = Document(text, "x")
    found = filter(document)
    assert isinstance(found, Dropped) or found is document
    assert bool(filter.matches(text)) == isinstance(found, Dropped)
    return isinstance(found, Dropped)


def test_a_document_with_an_item_is_dropped_and_the_item_named(paths):
    filter = Decontaminate(paths=paths)
    detail = f"{paths}:2 'Ann has 12 apples, eats two of them,'"
    assert filter(Document(f"{OTHER}\n{ITEM}\n{OTHER}", "x")) == Dropped("contaminated", detail)
    assert filter.matches(f"{OTHER}\n{ITEM}\n{OTHER}") == [(paths, 2, ITEM[:-1])]
    assert ([*filter.items.values()], filter.too_short, filter.common) == ([(paths, 2), (paths, 3)], 1, 0)


@pytest.mark.parametrize(
    "text",
    [
        ITEM.upper(),
        re.sub(r"[.,?]", "", ITEM),
        ITEM.replace(" ", "\n\n"),
        ITEM.replace(" ", " - _*_"),
        "so, " + " ".join(ITEM.split()[3:16]),
        f"({SHORT.lower()})",
    ],
)
def test_case_punctuation_and_white_space_are_ignored(paths, text):
    assert dropped(Decontaminate(paths=paths), text)


def test_of_two_matches_of_an_item_the_longer_is_reported(paths):
    filter, part = Decontaminate(paths=paths), " ".join(ITEM.split()[2:16])
    assert filter.matches(f"{part}. {OTHER} {ITEM} {OTHER} {part}") == [(paths, 2, ITEM[:-1])]


def test_overlapping_matches_are_reported_as_one(paths):
    each = Decontaminate(paths=paths, ngram=1, min_words=1)
    assert (paths, 2, ITEM[:-1]) in each.matches(f"{OTHER} {ITEM} {OTHER}")


def test_colliding_hashes_do_not_match(monkeypatch):
    ids = np.arange(40, dtype=np.int32)
    known = ngram_index.NGramIndex(ids, np.arange(28), np.zeros(28), length=13, max_items=10)
    text = np.concatenate([ids[20:], ids])
    expected = [place.tolist() for place in known.find(text)]
    assert expected == [[*range(8), *range(20, 48)], [*range(20, 28), *range(28)]]
    met = known.hashes.copy()
    known.hashes[:], known.table[:] = met[0], 255
    monkeypatch.setattr(ngram_index, "hash_ngrams", lambda ids, length: np.full(len(ids) - length + 1, met[0]))
    assert [sorted(place.tolist()) for place in known.find(text)] == [sorted(places) for places in expected]


@pytest.mark.parametrize("length", range(1, 28))
def test_the_hash_of_an_ngram_depends_on_all_words_in_order(length):
    ids = np.random.default_rng(0).integers(0, 9, 100)
    single = [int(number) for number in hash_ngrams(ids, 1)]
    numbers = hash_ngrams(ids, length).tolist()
    assert len(numbers) == 100 - length + 1
    for place, number in enumerate(numbers):
        run = single[place : place + length]
        powers = (pow(BASE, length - 1 - n, 2**64) for n in range(length))
        assert number == sum(a * b for a, b in zip(run, powers, strict=True)) % 2**64
    assert len(hash_ngrams(ids[: length - 1], length)) == 0


def test_ngrams_have_whole_words_and_the_configured_length(paths):
    filter, words = Decontaminate(paths=paths), ITEM.split()
    assert not dropped(filter, " ".join(words[:12]) + " then" + " ".join(words[12:]))
    assert not dropped(filter, "M" + " ".join(words[:13]))
    assert not dropped(filter, "")
    assert not dropped(filter, SHORT.removesuffix("all?"))
    assert not dropped(filter, SHORT.removeprefix("Which"))
    assert dropped(Decontaminate(paths=paths, ngram=12), " ".join(words[:12]))
    assert Decontaminate(paths=paths, min_words=9).too_short == 2
    assert Decontaminate(paths=paths, min_words=3).too_short == 0


def test_every_text_of_an_item_is_searched_unless_fields_are_given(tmp_path):
    path = tmp_path / "nested.jsonl"
    path.write_text(json.dumps({"q": OTHER, "choices": [{"text": ITEM, "label": "A"}, "no"], "gold": 0}) + "\n")
    assert all(dropped(Decontaminate(paths=str(path)), text) for text in (OTHER, ITEM))
    chosen = Decontaminate(paths=str(path), fields=["choices"])
    assert dropped(chosen, ITEM)
    assert not dropped(chosen, OTHER)
    apart = f"{' '.join(OTHER.split()[-7:])} {' '.join(ITEM.split()[:7])}"
    assert not dropped(Decontaminate(paths=str(path)), apart), "no run goes from one text on to the next"


def test_a_short_question_is_searched_beside_a_long_answer(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"q": SHORT, "a": ITEM}))
    assert dropped(Decontaminate(paths=str(path)), SHORT)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.jsonl", f'\n{{"q": "{ITEM}"}}\n', 2),
        ("a.json", json.dumps([{"q": "none"}, {"q": ITEM}], indent=1), 2),
        ("a.json", json.dumps({"version": "1", "data": {"x": [{"q": "none"}], "y": [{"q": [ITEM]}]}}), 2),
        ("a.json", json.dumps({"q": ITEM}, indent=1), 1),
        ("a.json", f'{{"q": "none"}}\n{{"q": "{ITEM}"}}\n', 2),
        ("a.csv", f'q,a\n"two\nlines",1\n"{ITEM}",2\n', 4),
        ("a.csv", f'"{ITEM}",2\n', 1),
        ("a.csv", f'q;a\n"{ITEM}";2\n', 2),
        ("a.tsv", f'q\ta\n"open\t1\n{ITEM}\t2\n', 3),
        ("a.txt", f"first\n{ITEM}\nlast", 2),
        ("a", f"\ufeff{ITEM}\r\n", 1),
    ],
)
def test_items_are_read_from_every_format_with_their_line_or_number(tmp_path, name, content, line):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    with gzip.open(tmp_path / f"{name}.gz", "wt", encoding="utf-8", newline="") as file:
        file.write(content)
    for path in (tmp_path / name, tmp_path / f"{name}.gz"):
        assert Decontaminate(paths=str(path)).matches(ITEM) == [(str(path), line, ITEM[:-1])]
    assert len(Decontaminate(paths=str(tmp_path / "*")).matches(ITEM)) == 2


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_items_in_utf16_and_utf32_are_read(tmp_path, coding):
    (tmp_path / "a.csv").write_bytes(f'q;a\n"{ITEM}";"{OTHER}"\n'.encode(coding))
    filter = Decontaminate(paths=str(tmp_path / "a.csv"), fields=["q"])
    assert dropped(filter, ITEM)
    assert not dropped(filter, OTHER)


def test_a_binary_file_of_items_is_refused_by_name(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(9))
    with pytest.raises(ValueError, match=r"a\.csv is a PNG image, not text"):
        Decontaminate(paths=str(tmp_path / "a.csv"))


def test_columns_are_selected_by_name(tmp_path):
    (tmp_path / "a.csv").write_text(f'q,a\n"{ITEM}","{OTHER}"\n')
    filter = Decontaminate(paths=str(tmp_path / "a.csv"), fields=["q", "none"])
    assert dropped(filter, ITEM)
    assert not dropped(filter, OTHER)
    assert filter.too_short == 0


def test_items_without_text_are_not_counted(tmp_path):
    (tmp_path / "a.txt").write_text(f"{ITEM}\n\nshort\n")
    (tmp_path / "a.jsonl").write_text('{"number": 7}\n{"text": "short"}\n')
    filter = Decontaminate(paths=str(tmp_path / "a.*"))
    assert (len(filter.items), filter.too_short) == (1, 2)


def test_ngrams_of_many_items_are_not_searched(tmp_path):
    manner = "Which of the following statements about the text above is right, and which of them is not:"
    path = items(tmp_path / "x.jsonl", *(f"{manner} {' '.join(WORDS[20 * n :][:20])}" for n in range(11)))
    assert not dropped(Decontaminate(paths=path), manner)
    assert Decontaminate(paths=path).common == len(manner.split()) - 12
    assert dropped(Decontaminate(paths=path), manner + " " + " ".join(WORDS[20:33]))
    assert len(Decontaminate(paths=path, max_items=11).matches(manner)) == 11
    twice = items(tmp_path / "y.jsonl", " ".join([ITEM] * 12))
    assert dropped(Decontaminate(paths=twice), ITEM), "often in one item is in one item"


@pytest.mark.parametrize("margin", range(190, 206, 3))
def test_a_cut_leaves_the_rest_byte_for_byte(paths, margin):
    text = f"{OTHER * 20}\r\n\t {ITEM} {OTHER * 20}"
    cut = Decontaminate(paths=paths, action="cut", margin=margin)(Document(text, "x", kind="web", tags=("a",)))
    before, after = cut.text.split("\n\n")
    assert text.startswith(before)
    assert text.endswith(after)
    place = text.index(ITEM)
    gap = text[len(before) : len(text) - len(after)]
    assert ITEM in gap
    assert margin <= place - len(before) < margin + 9
    assert margin <= len(text) - len(after) - place - len(ITEM[:-1]) < margin + 9
    assert all(re.search(r"\W", pair) for pair in (before[-1] + gap[0], gap[-1] + after[0])), "words stay whole"
    assert (cut.kind, cut.tags, cut.id) == ("web", ("a",), "x")
    assert not dropped(Decontaminate(paths=paths), cut.text)
    exactly = Decontaminate(paths=paths, action="cut", margin=0, min_characters=2)
    assert exactly(Document(f"a {ITEM} b", "x")).text == "a \n\n? b"
    assert exactly(Document(f"  {ITEM} b", "x")).text == "? b", "white space is no piece"


def test_a_short_match_within_a_longer_one_does_not_end_the_cut(tmp_path):
    path = items(tmp_path / "x.jsonl", " ".join(WORDS[:13]), " ".join(WORDS[3:11]))
    cut = Decontaminate(paths=path, action="cut", margin=0, min_characters=2)
    assert cut(Document(f"ab {' '.join(WORDS[:13])} cd", "x")).text == "ab \n\n cd"


def test_short_pieces_and_documents_with_many_cuts_are_dropped(paths):
    cutting = {"paths": paths, "action": "cut"}
    beginning = Decontaminate(**cutting)(Document(f"{ITEM}{OTHER * 20}", "x"))
    assert "\n\n" not in beginning.text
    assert (OTHER * 20).endswith(beginning.text)
    assert Decontaminate(**cutting)(Document(f"{OTHER * 3}{ITEM}{OTHER * 3}", "x")).reason == "contaminated"
    often = Document("".join(f"{OTHER * 9}{ITEM} " for _ in range(11)), "x")
    assert Decontaminate(**cutting)(often).reason == "contaminated"
    assert Decontaminate(**cutting, max_cuts=11)(often).text.count("\n\n") == 10
    together = Document(OTHER * 9 + f"{ITEM} {OTHER}" * 11 + OTHER * 9, "x")
    assert Decontaminate(**cutting)(together).text.count("\n\n") == 1, "what is near is one cut"


def test_normalized_words_agree_with_their_spans():
    """For all characters of Unicode."""
    for start in range(0, sys.maxunicode, 997):
        text = "".join(f"A{chr(code)}b {chr(code)}'" for code in range(start, min(start + 997, sys.maxunicode)))
        starts, ends = word_spans(text)
        spans = [text[a:b].casefold().encode() for a, b in zip(starts, ends, strict=True)]
        assert spans == normalized_words(text)
        assert all(a <= b for a, b in pairwise(starts))


def test_scripts_without_spaces_are_compared_by_characters(tmp_path):
    question = "小明有十二個蘋果，他吃了兩個，然後把剩下的一半給了小紅，現在他還有多少個蘋果呢？"
    path = items(tmp_path / "x.jsonl", question, "太陽系中哪一顆行星的衛星最大最亮？")
    filter = Decontaminate(paths=path)
    assert dropped(filter, f"他說：「{question.replace('，', ' ')}」")
    assert not dropped(filter, question[:25])
    assert dropped(filter, "太陽系中哪一顆行星的衛星最大最亮")


def test_the_majority_of_words_decides_how_an_item_in_two_scripts_is_counted(tmp_path):
    path = items(tmp_path / "x.jsonl", "In this old book the sign 道 means the way", "小明有十二個蘋果 of Bob")
    filter = Decontaminate(paths=path)
    assert ([*filter.items.values()], filter.too_short) == ([(path, 1)], 1)


def test_a_pickled_copy_finds_the_same(paths):
    filter = Decontaminate(paths=paths, action="cut")
    copy = pickle.loads(pickle.dumps(filter))
    for text in (f"{OTHER * 9}{ITEM}{OTHER * 9}", SHORT, OTHER):
        assert copy(Document(text, "x")) == filter(Document(text, "x"))
        assert copy.matches(text) == filter.matches(text)


def test_a_funnel_counts_drops_and_fingerprints_the_content_of_the_files(paths, tmp_path):
    def funnel(workers: int) -> FilteredSource:
        given = Given(documents([OTHER, ITEM, OTHER + OTHER] * 300))
        filters = {"decontaminate": Decontaminate(paths=paths)}
        executor = LocalExecutor(workers=workers)
        return FilteredSource(
            {"given": given}, filters=filters, directory=str(tmp_path / str(workers)), executor=executor
        )

    one, two = funnel(1), funnel(2)
    assert list(one) == list(two)
    assert one.ledger.steps == two.ledger.steps
    found = one.ledger.steps[0]["dropped"]["contaminated"]
    assert found["documents"] == 300
    assert found["examples"][0]["detail"].startswith(f"{paths}:2 'Ann has")
    before = one.fingerprint()
    items(Path(paths), "another question", ITEM)
    assert funnel(1).fingerprint() != before


def test_bad_parameters_are_refused(paths, tmp_path):
    (tmp_path / "short.txt").write_text("too short\n")
    (tmp_path / "broken.jsonl").write_text('{"q": 1}\n{"q"\n')
    (tmp_path / "latin.txt").write_bytes("größe".encode("latin-1"))
    for options, message in (
        ({"paths": []}, r"filter\.paths is empty: name"),
        ({"paths": str(tmp_path / "none.jsonl")}, r"filter\.paths .*none\.jsonl does not exist"),
        ({"paths": str(tmp_path / "*.none")}, r"filter\.paths .* matches no file"),
        ({"paths": str(tmp_path / "short.txt")}, r"filter\.paths .*short\.txt have no item of 8 words: give"),
        ({"paths": str(tmp_path / "broken.jsonl")}, r"filter\.paths .*broken\.jsonl:2 is not JSON: .*; repair"),
        ({"paths": str(tmp_path / "latin.txt")}, r"filter\.paths .*latin\.txt is not UTF-8 .*: give"),
        ({"fields": ["questions"]}, r"filter\.fields \['questions'\]: .* has none of them: did you mean 'question'\?"),
        ({"fields": ["zzz"]}, r"filter\.fields .* give some of 'question', 'id', or null"),
        ({"fields": []}, r"filter\.fields \[\] must be a list"),
        ({"fields": "question"}, r"filter\.fields 'question' must be a list"),
        ({"action": "mask"}, r"filter\.action 'mask' is unknown: give drop, or cut"),
        ({"min_words": 14}, r"filter\.min_words 14 .*: give 1 to 13"),
        ({"min_words": 0}, r"filter\.min_words 0 .*: give 1 to 13"),
        ({"max_items": 0}, r"filter\.max_items 0 .*: give 1 or more"),
        ({"margin": -1}, r"filter\.margin -1 .*: give 0 or more"),
        ({"min_characters": -1}, r"filter\.min_characters -1 .*: give 0 or more"),
        ({"max_cuts": 0}, r"filter\.max_cuts 0 .*: give 1 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            Decontaminate(**{"paths": paths, **options})


def test_a_table_may_have_long_fields_and_unbalanced_quotes(tmp_path):
    run = "one two three four five six seven eight nine ten eleven twelve thirteen"
    (tmp_path / "large.csv").write_text(f'a,b\n1,{"x" * 200_000}\n2,"{run}" or so\n')
    (found,) = Decontaminate(paths=str(tmp_path / "large.csv")).matches(f"It says: {run.upper()}.")
    assert (found.line, found.run) == (3, run.upper())


def reprinted(text: str, draw: random.Random) -> str:
    """The same words, whole or a part, in another case, with other punctuation and line breaks."""
    words = text.split(" ")
    if draw.random() < 0.5:
        begin = draw.randrange(max(1, len(words) - 25))
        words = words[begin : begin + 25]
    case = draw.choice([str, str.upper, str.lower, str.title])
    text = case(draw.choice([" ", "\n", "  ", " \r\n\t"]).join(words))
    return draw.choice([text, re.sub(r"(?<!\d)[.,?!]|[.,?!](?!\d)", "", text), text.replace(" ", " … ")])


@pytest.fixture(scope="module")
def questions() -> list[str]:
    with gzip.open(DATA / "gsm8k" / "train.jsonl.gz", "rt") as file:
        return [json.loads(line)["question"] for line in file]


@pytest.fixture(scope="module")
def sums() -> Decontaminate:
    return Decontaminate(paths=str(DATA / "gsm8k" / "train.jsonl.gz"))


@needs_data
def test_two_hundred_leaks_in_novels_are_all_found_by_their_item(questions, sums):
    draw = random.Random(0)
    pages = draw.sample([page for novel in novels() for page in parts(novel, 5000)], 200)
    lines = draw.sample([n for n, text in enumerate(questions, start=1) if len(normalized_words(text)) > 20], 200)
    missed = []
    for page, line in zip(pages, lines, strict=True):
        place = draw.randrange(len(page))
        text = f"{page[:place]} {reprinted(questions[line - 1], draw)} {page[place:]}"
        if line not in [found.line for found in sums.matches(text)] or not dropped(sums, text):
            missed.append((line, text[place : place + 300]))
    assert missed == []


@needs_data
def test_items_with_every_twelfth_word_replaced_are_not_found(questions, sums):
    draw = random.Random(0)
    flagged = []
    for text in draw.sample(questions, 500):
        words = [word.decode() for word in normalized_words(text)]  # of 3.5 there are two
        for place in range(draw.randrange(12), len(words), 12):
            words[place] = draw.choice(WORDS)
        if sums.matches(" ".join(words)):
            flagged.append(text)
    assert flagged == []


@needs_data
def test_every_sum_is_found_where_another_data_set_holds_it_with_other_answers(questions, sums):
    with gzip.open(DATA / "flan_cot" / "gsm8k_train.tsv.gz", "rt") as file:
        found = {found.line for row in file for found in sums.matches(row)}
    assert found == set(range(1, len(questions) + 1))


@needs_data
def test_novels_encyclopedias_guides_and_pages_hold_no_sums(sums):
    pages = [page for text in (*novels(), wikitext(), *wikipedia(), *web_pages()) for page in parts(text, 10_000)]
    pages += install_guides().values()
    assert [sums.matches(page) for page in pages if sums.matches(page)] == []

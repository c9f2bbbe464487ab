"""Each of Gopher's repetition rules keeps a text at its threshold and drops one just beyond it."""

import random

import pytest

from lm.corpus import Document, Dropped
from lm.filter import GopherRepetition

OFF = {
    "max_duplicate_paragraphs": 1, "max_duplicate_paragraph_characters": 1, "max_duplicate_lines": 1,
    "max_duplicate_line_characters": 1, "max_top_ngram": {}, "max_duplicate_ngrams": {},
}  # fmt: skip


def fresh(count: int, *, seed: int = 0) -> list[str]:
    """Distinct words of five letters."""
    draw = random.Random(seed)
    found = {"".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=5)): None for _ in range(2 * count)}
    return list(found)[:count]


def reason(text: str, **figures) -> str | None:
    document = Document(text, "id")
    found = GopherRepetition(**figures)(document)
    assert found is document or isinstance(found, Dropped)
    return None if found is document else found.reason


def with_copies(parts: int, copies: int, end: str) -> str:
    """Parts of ten characters, some of them copies of the first."""
    each = [f"{one}{two}" for one, two in zip(fresh(parts), fresh(parts, seed=1), strict=True)]
    return end.join(each[: parts - copies] + each[:1] * copies)


@pytest.mark.parametrize(("name", "end"), [("lines", "\n"), ("paragraphs", "\n\n")])
def test_three_in_ten_parts_may_be_copies(name, end):
    figures = OFF | {f"max_duplicate_{name}": 0.3}
    assert reason(with_copies(10, 3, end), **figures) is None
    assert reason(with_copies(10, 4, end), **figures) == f"duplicate {name}"


@pytest.mark.parametrize(("name", "end"), [("line", "\n"), ("paragraph", "\n\n")])
def test_a_fifth_of_the_characters_may_be_in_copies(name, end):
    figures = OFF | {f"max_duplicate_{name}_characters": 0.2}
    text = with_copies(10, 3, end) + end
    text += "x" * (150 - len(text))
    assert reason(text, **figures) is None  # 30 of 150
    assert reason(text[:-1], **figures) == f"characters in duplicate {name}s"  # 30 of 149


@pytest.mark.parametrize(("length", "share"), [(2, 0.20), (3, 0.18), (4, 0.16)])
def test_the_top_ngram_may_hold_its_share_of_the_text(length, share):
    run = " ".join(fresh(length, seed=2))
    others = fresh(400)
    least = round(6 * len(run) / share)  # characters of the text in which six runs are just that share
    text = " ".join(f"{run} {word}" for word in others[:6]) + " "
    text += " ".join(others[6:])[: least - len(text)]
    assert len(text) == least
    assert reason(text, **OFF | {"max_top_ngram": {length: 6 * len(run) / least}}) is None
    assert reason(text[:-1], **OFF | {"max_top_ngram": {length: 6 * len(run) / least}}) == f"top {length}-gram"
    assert reason(text[: round(least * 0.95)]) == f"top {length}-gram"


@pytest.mark.parametrize(("length", "share"), [(5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)])
def test_duplicate_ngrams_may_hold_their_share_of_the_text(length, share):
    run, others = fresh(length, seed=3), fresh(600)
    again = 5 * length  # characters without the blanks
    text = " ".join([*run, *others[:9], *run, *others[9:]])[: round(again / share)]
    figures = OFF | {"max_duplicate_ngrams": {length: again / len(text)}}
    assert reason(text, **figures) is None
    assert reason(text[:-1], **figures) == f"duplicate {length}-grams"
    assert (
        reason(text[: round(len(text) * 0.9)], **OFF | {"max_duplicate_ngrams": {length: share}})
        == f"duplicate {length}-grams"
    )


def test_the_defaults_are_the_published_thresholds():
    ours = GopherRepetition()
    lines = ours.max_duplicate_lines, ours.max_duplicate_line_characters
    assert lines == (ours.max_duplicate_paragraphs, ours.max_duplicate_paragraph_characters) == (0.3, 0.2)
    assert ours.max_top_ngram == {2: 0.20, 3: 0.18, 4: 0.16}
    assert ours.max_duplicate_ngrams == {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def test_prose_is_kept_and_a_refrain_is_dropped():
    assert reason(" ".join(fresh(500))) is None
    assert reason("We are here. " * 40) is not None
    found = GopherRepetition()(Document("la la la la\n" * 3 + "one more line", "id"))
    assert found == Dropped("duplicate lines", "50.0% of lines, more than 30%")


def test_only_the_configured_ngram_lengths_are_checked():
    text = " ".join(fresh(10, seed=1) * 2 + fresh(5))
    assert reason(text, **OFF) is None
    assert reason(text, **OFF | {"max_duplicate_ngrams": {3: 0.1}}) == "duplicate 3-grams"
    assert reason(text, **OFF | {"max_duplicate_ngrams": {"3": 0.1}}) == "duplicate 3-grams"

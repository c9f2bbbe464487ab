"""C4's rules remove lines, drop pages, and keep the rest as written."""

import random

import pytest

from lm.corpus import Document, Dropped
from lm.filter import C4Quality
from lm.filter.c4 import POLICIES

FIVE = [f"This is sentence number {number}." for number in "12345"]


def left(*lines: str, **options) -> str | None:
    """The lines that are left, None if the page is dropped."""
    found = C4Quality(**options)(Document("\n".join(lines), "id", source="web", language="en"))
    return None if isinstance(found, Dropped) else found.text


def reason(*lines: str, **options) -> str | None:
    found = C4Quality(**options)(Document("\n".join(lines), "id"))
    return found.reason if isinstance(found, Dropped) else None


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("A line that ends in nothing", {"terminal_punctuation": False}),
        ("A line that goes on...", {"terminal_punctuation": False}),
        ("A line that ends so;", {"terminal_punctuation": False}),
        ("Two words.", {"min_line_words": 2}),
        ("Please turn JavaScript on.", {"remove_javascript": False}),
        ("We USE COOKIES for you.", {"remove_policy": False}),
        ("Read our Terms of Use and privacy policy.", {"remove_policy": False}),
        ("A long " + "x" * 1001 + " word.", {"max_word_length": 1001}),
    ],
)
def test_a_line_is_removed_by_its_rule_and_kept_without_it(line, option):
    assert left(*FIVE, line) == "\n".join(FIVE)
    assert left(*FIVE, line, **option) == "\n".join([*FIVE, line])


@pytest.mark.parametrize(
    "line",
    [
        "Three words here.", "Is it one?", "It is one!", 'He said: "one."', "He said so: 'one'",
        "A long " + "x" * 1000 + " word", "He used cookie cutters.", "It is java, script and all.",
    ],
)  # fmt: skip
def test_a_line_at_the_threshold_is_kept(line):
    line = line if line.endswith(("?", "!", '"', "'")) else line.rstrip(".") + "."
    assert left(*FIVE, line) == "\n".join([*FIVE, line])


@pytest.mark.parametrize(
    ("line", "why", "option"),
    [
        ("Lorem Ipsum dolor sit amet.", "lorem ipsum", {"drop_lorem_ipsum": False}),
        ("So { we } go on.", "curly bracket", {"drop_curly_bracket": False}),
    ],
)
def test_a_page_is_dropped_for_one_line_that_would_be_kept(line, why, option):
    assert reason(*FIVE, line) == why
    assert left(*FIVE, line, **option) == "\n".join([*FIVE, line])
    assert left(*FIVE, line.rstrip(".")) == "\n".join(FIVE), "a line that is left out anyway says nothing of the page"


def test_a_bracket_counts_in_a_line_on_cookies_but_not_on_javascript():
    assert reason(*FIVE, "We use cookies { so } here.") == "curly bracket"
    assert reason(*FIVE, "JavaScript is { so } here.") is None


def test_five_sentences_are_enough_on_one_line_or_on_five():
    assert left(" ".join(FIVE)) == " ".join(FIVE)
    assert reason(" ".join(FIVE[1:])) == reason(*FIVE[1:]) == "too few sentences"
    found = C4Quality()(Document("\n".join([*FIVE[2:], "no sentence"]), "id"))
    assert found == Dropped("too few sentences", "3 left, fewer than 5")


def test_an_empty_page_is_dropped_even_if_no_sentences_are_required():
    assert reason("Menu", min_sentences=0) == "empty"
    assert left("It is one.", "Menu", min_sentences=0) == "It is one."


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("Mr. J. Smith of the U.S. came, i.e. today.", 1),
        ("It cost 3.50 euros... or so.", 1),
        ('"Come!" he said. "Where?" she asked.', 4),  # each mark before a blank, as in the reference code
        ("It ended.Then it began.", 2),
        ("Really?! Yes (no.) Perhaps.", 3),
    ],
)
def test_sentences_are_counted_by_their_punctuation(line, sentences):
    assert reason(line, min_sentences=sentences) is None
    assert reason(line, min_sentences=sentences + 1) == "too few sentences"


def test_citations_are_cut_from_lines():
    assert left(*FIVE, "It is so [12] [edit] here[citation needed].") == "\n".join([*FIVE, "It is so   here."])
    line = "It is so [12]."
    assert left(*FIVE, line, remove_citations=False) == "\n".join([*FIVE, line])


def test_an_unchanged_page_is_the_same_document_and_a_changed_one_keeps_its_metadata():
    whole = Document("\n".join(FIVE), "id", source="web", language="en", group="g")
    assert C4Quality()(whole) is whole
    more = Document("Menu\n  " + "\n".join(FIVE) + "\nHome", "id", source="web", language="en", group="g")
    assert C4Quality()(more) == whole


def test_a_line_is_removed_for_a_word_over_the_limit_and_not_for_a_shorter_one():
    draw = random.Random(0)
    for _ in range(3000):
        blanks = draw.choice([" ", " \t\u3000"])
        line = "".join(
            "x" * draw.choice([1, 2, 6, 7, 8, 20]) + draw.choice(blanks) for _ in range(draw.randrange(1, 9))
        )
        line = f"{line}."
        expected = None if max(map(len, line.split())) > 7 else line
        options = {"max_word_length": 7, "min_sentences": 0, "min_line_words": 0}
        assert left(line, **options) == expected if expected else reason(line, **options) == "empty", line


@pytest.mark.parametrize("phrase", POLICIES)
def test_each_policy_phrase_alone_removes_a_line(phrase):
    assert left(*FIVE, f"As we said, {phrase.title()} matters here.") == "\n".join(FIVE)

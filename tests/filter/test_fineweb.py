"""FineWeb's rules keep a text at their threshold and drop one just beyond it."""

import pytest

from lm.corpus import Document, Dropped
from lm.filter import FineWebQuality

LONG = "a line of more than thirty characters, number {}"


def lines(count: int, *, end: str = "") -> list[str]:
    return [LONG.format(number) + end for number in range(count)]


def reason(text: str, **figures) -> str | None:
    document = Document(text, "id")
    found = FineWebQuality(**figures)(document)
    assert found is document or isinstance(found, Dropped)
    return None if found is document else found.reason


@pytest.mark.parametrize("end", [".", "!", "?", "。", "؟"])
def test_twelve_lines_in_a_hundred_end_as_sentences(end):
    assert reason("\n".join(lines(12, end=end) + lines(100)[12:])) is None
    assert reason("\n".join(lines(11, end=end) + lines(100)[11:])) == "too few lines that end as sentences"


def test_a_closing_quote_ends_a_sentence_only_if_configured():
    assert reason("\n".join(lines(20, end='."'))) == "too few lines that end as sentences"
    assert reason("\n".join(lines(20, end='."')), ends='."') is None


def test_two_thirds_of_the_lines_may_have_thirty_characters():
    short = [f"thirty characters with the {number:02}." for number in range(68)]
    assert {len(line) for line in short} == {30}
    assert reason("\n".join(short[:67] + lines(33))) is None
    assert reason("\n".join(short[:68] + lines(32))) == "short lines"
    assert reason("\n".join([f"x{line}" for line in short] + lines(32))) is None


def test_one_character_in_a_hundred_may_be_in_copies_of_lines():
    copied = "x" * 39 + "."
    rest = "y" * (4000 - 80)
    assert reason("\n".join([copied, rest, copied]), max_newlines_per_word=9) is None
    assert reason("\n".join([copied, rest[1:], copied]), max_newlines_per_word=9) == "characters in duplicate lines"


def test_three_newlines_per_ten_words_are_a_text_and_more_are_a_list():
    text = "\n".join(f"considerable complications number {number:04} not." for number in range(7))
    assert reason(text + "\n" * 6) is None  # 12 of 7 × 6 words, the point among them
    assert reason(text + "\n" * 7) == "a list"


def test_punctuation_counts_as_words_in_the_newline_rule():
    assert reason("- one.\n- two.\n- three.\n- four.", max_short_lines=1) is None
    assert reason("one.\ntwo.\nthree.\nfour.", max_short_lines=1) == "a list"


def test_exactly_three_newlines_per_ten_words_are_kept():
    text = "one, two.\nthree, four.\nfive.\nsix"
    assert reason(text, max_short_lines=1) is None  # 3 in 11
    assert reason(text.replace("six", ""), max_short_lines=1) is None  # 3 in 10
    assert reason(text.replace(", four", "").replace("six", ""), max_short_lines=1) == "a list"  # 3 in 8


def test_blank_lines_do_not_count():
    assert reason("\n \n\n") == "empty"
    text = "\n".join(lines(12, end=".") + lines(100)[12:])
    assert reason(text.replace("\n", "\n\n"), max_newlines_per_word=9) is None


def test_the_detail_states_the_value_and_the_threshold():
    text = "\n".join(lines(11, end=".") + lines(100)[11:])
    found = FineWebQuality()(Document(text, "id"))
    assert found == Dropped("too few lines that end as sentences", "11.0% of lines, fewer than 12%")

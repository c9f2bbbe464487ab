"""Each of Gopher's quality rules keeps a text at its threshold and drops one just beyond it."""

import random

import pytest

from lm.corpus import Document, Dropped
from lm.filter import GopherQuality

WORDS = ["the", "cat", "and", "that", "dog", "have", "gone", "to", "bed", "with", "me"]
BULLETED = "the cat and that\n"


def text_of(count: int) -> str:
    return " ".join(WORDS[place % len(WORDS)] for place in range(count))


def reason(text: str, **figures) -> str | None:
    document = Document(text, "id")
    found = GopherQuality(**figures)(document)
    assert found is document or isinstance(found, Dropped)
    return None if found is document else found.reason


@pytest.mark.parametrize(
    ("kept", "dropped", "why"),
    [
        (text_of(50), text_of(49), "too few words"),
        (text_of(50), text_of(49) + " ! ? -- ...", "too few words"),  # marks are not words
        (text_of(100_000), text_of(100_001), "too many words"),
        ("the and " + "xyz " * 58, "the and " + "xyz " * 57 + "xy", "words too short"),
        ("the and " + "x" * 24 + " tententent" * 57, "the and " + "x" * 25 + " tententent" * 57, "words too long"),
        (text_of(90) + " #" * 10, text_of(90) + " #" * 11, "symbols for words: #"),
        ("… " * 10 + text_of(90), "… " * 11 + text_of(90), "symbols for words: …"),
        ("... " * 10 + text_of(90), "... " * 11 + text_of(90), "symbols for words: …"),
        (f"- {BULLETED}" * 45 + BULLETED * 5, f"- {BULLETED}" * 46 + BULLETED * 5, "bulleted lines"),
        (f"• {BULLETED}" * 45 + BULLETED * 5, f" • {BULLETED}" * 46 + BULLETED * 5, "bulleted lines"),
        (
            "the cat and that dog have gone...\n" * 3 + "and the dog have gone to bed\n" * 7,
            "the cat and that dog have gone …\n" * 4 + "and the dog have gone to bed\n" * 8,
            "lines that end in an ellipsis",
        ),
        (
            text_of(60) + "\nand so on …\nthe end\nof it",
            text_of(60) + "\nand so on …\nthe end of it",
            "lines that end in an ellipsis",
        ),
        (text_of(80) + " 1234" * 20, text_of(80) + " 1234" * 21, "words without a letter"),
        ("the and " + "cat " * 60, "the the " + "cat " * 60, "too few stop words"),
    ],
)  # fmt: skip
def test_a_text_at_the_threshold_is_kept_and_one_beyond_is_dropped(kept, dropped, why):
    assert reason(kept) is None
    assert reason(dropped) == why


def test_the_detail_states_the_value_and_the_threshold():
    assert GopherQuality()(Document(text_of(31), "id")) == Dropped("too few words", "31 words, fewer than 50")
    found = GopherQuality(min_words=1)(Document(text_of(80) + " 1234" * 21, "id"))
    assert found == Dropped("words without a letter", "79.2% of words have one, fewer than 80%")


def test_punctuation_counts_as_words_only_on_request():
    dialogue = text_of(80) + " , ! -- ?" * 6
    assert reason(dialogue) is None
    assert reason(dialogue, count_punctuation=True) == "words without a letter"


def test_a_stop_word_counts_beside_punctuation_but_not_in_capitals():
    filler = "cat " * 60
    assert reason(filler + "the, and.") is None
    assert reason(filler + "the The THE Thesis") == "too few stop words"


def test_thresholds_and_stop_words_are_parameters():
    german = "der Hund und die Katze gehen mit uns " * 10
    assert reason(german) == "too few stop words"
    assert reason(german, stop_words=["der", "und", "die"]) is None
    assert reason(german, stop_words=["der", "und", "die"], min_words=81) == "too few words"


def test_a_text_without_words_is_dropped_even_if_none_are_required():
    assert reason("! ? ...", min_words=0, min_stop_words=0) == "too few words"


def test_contradictory_thresholds_are_refused():
    with pytest.raises(ValueError, match="min_words 9 is more than max_words 8: no text is left between them"):
        GopherQuality(min_words=9, max_words=8)
    with pytest.raises(ValueError, match="min_stop_words 2 is more than the 1 stop_words"):
        GopherQuality(stop_words=["der"])
    assert reason(text_of(60), min_words=60, max_words=60) is None
    assert reason(text_of(60), min_stop_words=1, stop_words=["cat"]) is None


@pytest.mark.parametrize("count_punctuation", [False, True])
def test_vectorized_counts_equal_counts_word_by_word(count_punctuation):
    draw, reasons = random.Random(0), set()
    off = {"min_words": 0, "max_symbols_per_word": 9, "max_bullet_lines": 1, "max_ellipsis_lines": 1}
    limits = {"min_word_length": 2.5, "max_word_length": 4.0, "min_words_with_letter": 0.7, "min_stop_words": 2}
    filter = GopherQuality(**off, **limits, count_punctuation=count_punctuation, stop_words=["the", "of", "42", "!"])
    for _ in range(500):
        pieces = draw.choices(
            ["the", "of", "42", "!", "_", "²", "1,000", "a", "déjà", "longest", "3rd"], k=draw.randrange(2, 9)
        )
        said = [piece for piece in pieces if any(map(str.isalnum, piece))]
        letters = sum(piece not in ("42", "!", "_", "1,000") for piece in pieces)
        length = sum(map(len, said)) / max(1, len(said))
        share = letters / max(1, len(pieces if count_punctuation else said))
        expected = (
            ("too few words" if not said else None)
            or ("words too short" if length < 2.5 else None)
            or ("words too long" if length > 4 else None)
            or ("words without a letter" if share < 0.7 else None)
            or ("too few stop words" if len({*pieces} & {"the", "of", "42", "!"}) < 2 else None)
        )
        found = filter(Document(" ".join(pieces), ""))
        assert (found.reason if isinstance(found, Dropped) else None) == expected, pieces
        reasons.add(expected)
    assert len(reasons) == 6

"""Rule by rule, our filters decide as datatrove's do, except where words or sentences are split differently.

datatrove splits English with spaCy's blank pipeline, which needs no download; ours splits by regular expressions.
"""

import importlib
from functools import cache
from math import inf

import pytest

from lm.corpus import Document, Dropped
from lm.filter import C4Quality, FineWebQuality, GopherQuality, GopherRepetition
from lm.filter.text.words import words
from support.spoiled_texts import DATA, originals, spoiled

ORIGINALS, LONGEST, WAYS = 42, 1600, 3  # texts of each kind, characters of one, ways in which each is spoiled
ENOUGH = 0.99
OFTEN = 0.01  # of the texts, that a rule be tried

pytest.importorskip("datatrove")
pytest.importorskip("spacy")
pytestmark = pytest.mark.skipif(not (DATA / "novels").is_dir(), reason="needs shared/data")

QUALITY_OFF = {
    "min_words": 0, "max_words": 10**9, "min_word_length": 0, "max_word_length": inf, "max_symbols_per_word": inf,
    "max_bullet_lines": 1, "max_ellipsis_lines": 1, "min_words_with_letter": 0, "min_stop_words": 0,
    "count_punctuation": True,
}  # fmt: skip
THEIR_QUALITY_OFF = dict.fromkeys((
    "min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio",
    "max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words",
))  # fmt: skip
REPETITION_OFF = {
    "max_duplicate_paragraphs": 1, "max_duplicate_paragraph_characters": 1, "max_duplicate_lines": 1,
    "max_duplicate_line_characters": 1, "max_top_ngram": {}, "max_duplicate_ngrams": {},
}  # fmt: skip
THEIR_REPETITION_OFF = {
    "dup_line_frac": None, "dup_para_frac": None, "dup_line_char_frac": None, "dup_para_char_frac": None,
    "top_n_grams": (), "dup_n_grams": (),
}  # fmt: skip
FINEWEB_OFF = {
    "min_punctuated_lines": 0, "max_short_lines": 1, "max_duplicate_line_characters": 1, "max_newlines_per_word": inf
}  # fmt: skip
THEIR_FINEWEB_OFF = {"line_punct_thr": 0, "short_line_thr": 1, "char_duplicates_ratio": 1, "new_line_ratio": inf}
C4_OFF = {
    "terminal_punctuation": False, "min_line_words": 0, "min_sentences": 0, "max_word_length": 10**9,
    "drop_lorem_ipsum": False, "drop_curly_bracket": False, "remove_javascript": False, "remove_policy": False,
    "remove_citations": False,
}  # fmt: skip
THEIR_C4_OFF = {
    "filter_no_terminal_punct": False, "min_words_per_line": -1, "min_num_sentences": -1, "max_word_length": -1,
    "filter_lorem_ipsum": False, "filter_curly_bracket": False, "filter_javascript": False, "filter_policy": False,
    "remove_citations": False,
}  # fmt: skip
KINDS = {
    "GopherQuality": (GopherQuality, QUALITY_OFF, "GopherQualityFilter", THEIR_QUALITY_OFF),
    "GopherRepetition": (GopherRepetition, REPETITION_OFF, "GopherRepetitionFilter", THEIR_REPETITION_OFF),
    "FineWebQuality": (FineWebQuality, FINEWEB_OFF, "FineWebQualityFilter", THEIR_FINEWEB_OFF),
    "C4Quality": (C4Quality, C4_OFF, "C4QualityFilter", THEIR_C4_OFF),
}
TOP = ((2, 0.2), (3, 0.18), (4, 0.16))
DUPLICATE = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
RULES = [
    ("GopherQuality", {"min_words": 50}, {"min_doc_words": 50}),
    ("GopherQuality", {"max_words": 250}, {"max_doc_words": 250}),
    ("GopherQuality", {"min_word_length": 3}, {"min_avg_word_length": 3}),
    ("GopherQuality", {"max_word_length": 10}, {"max_avg_word_length": 10}),
    ("GopherQuality", {"max_symbols_per_word": 0.1}, {"max_symbol_word_ratio": 0.1}),
    ("GopherQuality", {"max_bullet_lines": 0.9}, {"max_bullet_lines_ratio": 0.9}),
    ("GopherQuality", {"max_ellipsis_lines": 0.3}, {"max_ellipsis_lines_ratio": 0.3}),
    ("GopherQuality", {"min_words_with_letter": 0.8}, {"max_non_alpha_words_ratio": 0.8}),
    ("GopherQuality", {"min_stop_words": 2}, {"min_stop_words": 2}),
    ("GopherRepetition", {"max_duplicate_lines": 0.3}, {"dup_line_frac": 0.3}),
    ("GopherRepetition", {"max_duplicate_line_characters": 0.2}, {"dup_line_char_frac": 0.2}),
    ("GopherRepetition", {"max_duplicate_paragraphs": 0.3}, {"dup_para_frac": 0.3}),
    ("GopherRepetition", {"max_duplicate_paragraph_characters": 0.2}, {"dup_para_char_frac": 0.2}),
    *(("GopherRepetition", {"max_top_ngram": {n: most}}, {"top_n_grams": ((n, most),)}) for n, most in TOP),
    *(
        ("GopherRepetition", {"max_duplicate_ngrams": {n: most}}, {"dup_n_grams": ((n, most),)})
        for n, most in DUPLICATE
    ),
    ("FineWebQuality", {"min_punctuated_lines": 0.12}, {"line_punct_thr": 0.12}),
    ("FineWebQuality", {"max_short_lines": 0.67}, {"short_line_thr": 0.67}),
    ("FineWebQuality", {"max_duplicate_line_characters": 0.01}, {"char_duplicates_ratio": 0.01}),
    ("FineWebQuality", {"max_newlines_per_word": 0.3}, {"new_line_ratio": 0.3}),
    ("C4Quality", {"terminal_punctuation": True}, {"filter_no_terminal_punct": True}),
    ("C4Quality", {"min_line_words": 3}, {"min_words_per_line": 3}),
    ("C4Quality", {"min_sentences": 5}, {"min_num_sentences": 5}),
    ("C4Quality", {"max_word_length": 1000}, {"max_word_length": 1000}),
    ("C4Quality", {"drop_lorem_ipsum": True}, {"filter_lorem_ipsum": True}),
    ("C4Quality", {"drop_curly_bracket": True}, {"filter_curly_bracket": True}),
    ("C4Quality", {"remove_javascript": True}, {"filter_javascript": True}),
    ("C4Quality", {"remove_policy": True}, {"filter_policy": True}),
    ("C4Quality", {"remove_citations": True}, {"remove_citations": True}),
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    whole = originals(ORIGINALS, max_characters=LONGEST)
    return whole + spoiled(whole, ways=WAYS)


@pytest.fixture(scope="module", autouse=True)
def split_once():
    """Let datatrove split each text once for all rules, which only saves time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("gopher_quality", "gopher_repetition", "fineweb_quality"):
            module = importlib.import_module(f"datatrove.pipeline.filters.{name}_filter")
            patch.setattr(module, "split_into_words", their_words)
        module = importlib.import_module("datatrove.pipeline.filters.c4_filters")
        patch.setattr(module, "split_into_sentences", their_sentences)
        yield


@cache
def their_words(text: str, language: str = "eng") -> list[str]:
    from datatrove.utils.text import split_into_words

    return split_into_words(text, language)


@cache
def their_sentences(text: str, language: str = "eng") -> list[str]:
    from datatrove.utils.text import split_into_sentences

    return split_into_sentences(text, language)


def their_decision(theirs, text: str) -> str | None:
    """The text that is left, None if it is dropped or empty."""
    from datatrove.data import Document as TheirDocument

    document = TheirDocument(text=text, id="")
    found = theirs.filter(document)
    return (document.text or None) if found is True else None


def our_decision(ours, text: str) -> str | None:
    found = ours(Document(text, ""))
    return None if isinstance(found, Dropped) else found.text


def pair(kind: str, given: dict, theirs: dict):
    filters = importlib.import_module("datatrove.pipeline.filters")
    ours, off, their_name, their_off = KINDS[kind]
    return ours(**off | given), getattr(filters, their_name)(**their_off | theirs)


@cache
def without_rules(kind: str, text: str) -> str | None:
    """What datatrove leaves of a text without rules: C4 strips lines."""
    return their_decision(pair(kind, {}, {})[1], text)


def published(kind: str):
    filters = importlib.import_module("datatrove.pipeline.filters")
    return KINDS[kind][0](), getattr(filters, KINDS[kind][2])()


@pytest.mark.parametrize(("kind", "given", "theirs"), RULES)
def test_each_rule_alone_decides_as_datatroves(kind, given, theirs, texts):
    ours, their_filter = pair(kind, given, theirs)
    same = fired = 0
    for text in texts:
        expected, found = their_decision(their_filter, text), our_decision(ours, text)
        same += found == expected
        fired += expected != without_rules(kind, text)
    print(f"{kind} {given}: {same} of {len(texts)} = {same / len(texts):.2%}, fired on {fired / len(texts):.1%}")
    assert same / len(texts) >= ENOUGH
    assert fired / len(texts) >= OFTEN


@pytest.mark.parametrize("kind", KINDS)
def test_all_rules_at_once_with_the_published_figures_decide_as_datatroves(kind, texts):
    ours, their_filter = published(kind)
    if kind == "GopherQuality":
        ours = GopherQuality(count_punctuation=True)
    same = sum(our_decision(ours, text) == their_decision(their_filter, text) for text in texts)
    print(f"{kind}: {same} of {len(texts)} = {same / len(texts):.2%}")
    assert same / len(texts) >= ENOUGH


def test_with_the_same_words_every_decision_is_equal(texts, monkeypatch):
    """The differences above come from the split: with our words, datatrove decides as we do on every text."""
    split = cache(lambda text, language: list(words(text)))
    for name in ("gopher_repetition", "fineweb_quality"):
        module = importlib.import_module(f"datatrove.pipeline.filters.{name}_filter")
        monkeypatch.setattr(module, "split_into_words", split)
    for kind, given, theirs in RULES:
        if kind in ("GopherRepetition", "FineWebQuality"):
            ours, their_filter = pair(kind, given, theirs)
            some = texts[::5]
            assert [our_decision(ours, text) for text in some] == [their_decision(their_filter, text) for text in some]

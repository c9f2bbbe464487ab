"""Each published rule is an option of `filter`, with the published thresholds."""

import inspect
import pickle
from math import inf
from pathlib import Path
from time import process_time

import pytest

from lm.config.build import build
from lm.config.check import check, plain
from lm.corpus import Document
from lm.filter import C4Quality, CodeQuality, FineWebQuality, GopherQuality, GopherRepetition

OPTIONS = {
    "gopher_quality": GopherQuality,
    "gopher_repetition": GopherRepetition,
    "c4": C4Quality,
    "fineweb": FineWebQuality,
    "code": CodeQuality,
}
# Without a limit that a hostile text exceeds early, so that all of it is read.
LAX = [
    C4Quality(max_word_length=10**9),
    CodeQuality(max_line_length=10**9, max_mean_line_length=inf, max_in_long_lines=1, min_alphanumeric=0),
    FineWebQuality(max_short_lines=1, max_duplicate_line_characters=1, min_punctuated_lines=0),
    GopherQuality(min_words=0, max_words=10**9, min_word_length=0, max_word_length=inf, max_symbols_per_word=inf),
    GopherRepetition(
        max_duplicate_lines=1,
        max_duplicate_line_characters=1,
        max_duplicate_paragraphs=1,
        max_duplicate_paragraph_characters=1,
        max_top_ngram={10: inf},
        max_duplicate_ngrams={10: inf},
    ),
]
CONF = Path(__file__).parents[2] / "conf" / "filter"


def option(name: str) -> dict:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))


@pytest.mark.parametrize(("name", "filter_class"), OPTIONS.items())
def test_the_option_has_every_parameter_with_its_default(name, filter_class):
    given = option(name)
    assert given.pop("_target_") == f"lm.filter.{filter_class.__name__}"
    parameters = inspect.signature(filter_class).parameters.values()
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    defaults = {parameter.name: parameter.default for parameter in parameters}
    assert list(given) == list(defaults)
    assert given == {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_option_builds_a_filter_equal_to_the_default_one_and_its_pickled_copy(name):
    built = build(plain(option(name)))
    assert vars(built) == vars(OPTIONS[name]()) == vars(pickle.loads(pickle.dumps(built)))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("gopher_quality", "max_bullet_lines", 1.2),
        ("gopher_quality", "min_words", -1),
        ("gopher_repetition", "max_duplicate_lines", 30),
        ("c4", "min_sentences", -1),
        ("fineweb", "short_line", "thirty"),
        ("code", "min_alphanumeric", -0.1),
    ],
)
def test_a_value_out_of_bounds_is_a_fault_of_the_config(name, key, value):
    assert check(option(name)) == []
    assert [fault.key for fault in check({**option(name), key: value})] == [key]


@pytest.mark.parametrize("filter_class", OPTIONS.values())
@pytest.mark.parametrize("text", ["", " ", "\n\n", "\x1c\u2028", ".", "…", "\x00", "a", "\ud800", "{", "\u200b\n"])
def test_empty_texts_are_dropped_without_an_error(filter_class, text):
    document = Document(text, "id")
    found = filter_class()(document)
    assert found is document or found.reason
    if not text.strip():
        assert found is not document


@pytest.mark.parametrize("lax", LAX, ids=lambda lax: type(lax).__name__)
def test_no_text_takes_quadratic_time(lax):
    began = process_time()
    for piece in ("!", '!"', ". ", ".", "-", "@-", "a'", "4f ", " ", "0x4f", "A", "[1", "\n", "a b ", "\\x4f", ". ("):
        lax(Document(f"a b c {piece * (100_000 // len(piece))}-.", "id"))
    assert process_time() - began < 20  # it is less than one; a search begun at each of the marks takes minutes

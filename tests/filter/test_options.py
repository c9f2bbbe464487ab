"""Each filter of the published rules is an option of `filter`, with the published figures."""

import inspect
import pickle
from pathlib import Path

import pytest

from lm.config import build, plain
from lm.config.check import check
from lm.corpus import Document
from lm.filter import C4Quality, CodeQuality, FineWebQuality, GopherQuality, GopherRepetition

OPTIONS = {
    "gopher_quality": GopherQuality,
    "gopher_repetition": GopherRepetition,
    "c4": C4Quality,
    "fineweb": FineWebQuality,
    "code": CodeQuality,
}
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
def test_a_figure_out_of_bounds_is_a_fault_of_the_config(name, key, value):
    assert check(option(name)) == []
    assert [fault.key for fault in check({**option(name), key: value})] == [key]


@pytest.mark.parametrize("filter_class", OPTIONS.values())
@pytest.mark.parametrize("text", ["", " ", "\n\n", "\x1c\u2028", ".", "…", "\x00", "a", "\ud800", "{", "\u200b\n"])
def test_texts_of_nothing_are_dropped_without_an_error(filter_class, text):
    document = Document(text, "id")
    found = filter_class()(document)
    assert found is document or found.reason
    if not text.strip():
        assert found is not document

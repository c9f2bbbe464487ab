"""The fingerprint of a filter covers its class, its parameters and its code."""

import inspect
import json
from pathlib import Path

import pytest

import lm.filter
from lm.config.build import build
from lm.config.check import plain
from lm.config.outline import config_directory, options
from lm.corpus import Document
from lm.filtering.stages import filter_files, plain_data
from support.compositions import composition
from support.given import Given

FILTERS = options("filter", [config_directory()])


def option(name: str, folder: Path):
    """Build the filter of a config option, with its required parameters."""
    overrides = ["corpus=funnel", f"+filter@corpus.filters.x={name}"]
    words = folder / "words.txt"
    if not words.exists():
        words.write_text("badword\n" * 3 + "some good words of a certain length and some more\n" * 40)
    given = {
        "word_list": [f"corpus.filters.x.path={words}"],
        "learned": [f"corpus.filters.x.{side}.path={words}" for side in ("good", "random")],
        "decontaminate": [f"corpus.filters.x.paths={words}"],
        "repeated_lines": [f"corpus.filters.x.source.path={words}"],
        "toxicity": ["scorer@corpus.filters.x.scorer=word_list", f"corpus.filters.x.scorer.path={words}"],
        "only": ["+filter@corpus.filters.x.filter=clean", "corpus.filters.x.kinds=[web]"],
    }
    composed = composition("corpus").compose([*overrides, *given.get(name, [])])
    return build(plain(composed)["corpus"]["filters"]["x"])


def test_every_filter_has_an_option():
    assert set(lm.filter.__all__) - {"WordScorer"} == {  # which scores texts for others
        (config_directory() / "filter" / f"{name}.yaml").read_text().split("_target_: lm.filter.")[1].split()[0]
        for name in FILTERS
    }


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_keeps_its_parameters_as_attributes_of_the_same_names(name, tmp_path):
    made = option(name, tmp_path)
    kind, parameters = plain_data(made)
    assert kind.startswith("lm.filter.")
    assert list(parameters) == list(inspect.signature(type(made)).parameters)
    assert json.loads(json.dumps(plain_data(made))) == json.loads(json.dumps(plain_data(option(name, tmp_path))))


def test_files_and_sources_are_hashed_by_their_content(tmp_path):
    before = plain_data(option("word_list", tmp_path)), plain_data(option("learned", tmp_path))
    (tmp_path / "words.txt").write_text("other words\n" * 40)
    first, second = FakePath(tmp_path / "words.txt"), Given([Document("a", "a")])
    assert plain_data(first) != plain_data(FakePath(tmp_path / "none.txt"))
    assert plain_data([second]) != plain_data([Given([Document("b", "a")])])
    assert before[0] != plain_data(option("word_list", tmp_path))


def test_the_code_of_all_filters_is_hashed_each_module_once():
    package = Path(lm.filter.__file__).parent
    learning = package.with_name("classifier")
    expected = [*package.glob("*.py"), *package.glob("text/*.py"), *learning.glob("*.py")]
    assert {package / "clean.py", package / "text" / "words.py", learning / "logistic.py"} <= {*expected}
    assert filter_files() == sorted(expected)


class FakePath:
    def __init__(self, path: Path):
        self.path = str(path)

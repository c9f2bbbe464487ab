"""A filter is known again by its class and its parameters, whichever filter it is."""

import inspect
import json
from pathlib import Path

import pytest

import lm.filter
from lm.config.build import build
from lm.config.check import plain
from lm.config.composition import Composition
from lm.config.outline import config_directory, options
from lm.corpus import Document
from lm.filtering.description import described
from support.given import Given

FILTERS = options("filter", [config_directory()])


def option(name: str, folder: Path):
    """The filter of a config option, with what it must be given."""
    overrides = ["corpus=funnel", f"+filter@corpus.filters.x={name}"]
    words = folder / "words.txt"
    if not words.exists():
        words.write_text("badword\n" * 3 + "some good words of a certain length and some more\n" * 40)
    given = {
        "word_list": [f"corpus.filters.x.path={words}"],
        "learned": [f"corpus.filters.x.{side}.path={words}" for side in ("good", "random")],
        "decontaminate": [f"corpus.filters.x.paths={words}"],
        "repeated_lines": [f"corpus.filters.x.source.path={words}"],
        "only": ["+filter@corpus.filters.x.filter=clean", "corpus.filters.x.kinds=[web]"],
    }
    composed = Composition("corpus", directory=config_directory()).compose([*overrides, *given.get(name, [])])
    return build(plain(composed)["corpus"]["filters"]["x"])


def test_every_filter_is_an_option():
    assert set(lm.filter.__all__) == {
        (config_directory() / "filter" / f"{name}.yaml").read_text().split("_target_: lm.filter.")[1].split()[0]
        for name in FILTERS
    }


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_keeps_its_parameters_by_their_names(name, tmp_path):
    made = option(name, tmp_path)
    kind, parameters = described(made)
    assert kind.startswith("lm.filter.")
    assert list(parameters) == list(inspect.signature(type(made)).parameters)
    assert json.loads(json.dumps(described(made))) == json.loads(json.dumps(described(option(name, tmp_path))))


def test_files_and_sources_count_by_their_content(tmp_path):
    before = described(option("word_list", tmp_path)), described(option("learned", tmp_path))
    (tmp_path / "words.txt").write_text("other words\n" * 40)
    first, second = FakePath(tmp_path / "words.txt"), Given([Document("a", "a")])
    assert described(first) != described(FakePath(tmp_path / "none.txt"))
    assert described([second]) != described([Given([Document("b", "a")])])
    assert before[0] != described(option("word_list", tmp_path))


class FakePath:
    def __init__(self, path: Path):
        self.path = str(path)

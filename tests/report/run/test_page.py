"""The page of a run loads nothing, is the same for the same directory, and shows what people wrote as text."""

import json
import re
from pathlib import Path

import pytest

from lm.process.command import carrying_out
from lm.report.run import run_page, write_run_page
from support.reported_runs import make_corpus_run, make_run


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_is_a_function_of_the_directory(tmp_path: Path):
    directory = make_run("a", root=tmp_path)
    assert run_page(directory) == run_page(directory)


def test_the_page_loads_nothing(tmp_path: Path):
    page = run_page(make_run("a", root=tmp_path))
    assert not re.findall(r'(?:src|href)="(?!#|\.\./)', page)
    assert not re.findall(r"@import|url\(|fetch\(|XMLHttpRequest", page)
    assert len(page) < 150_000


def test_the_library_comes_with_its_licence(tmp_path: Path):
    page = run_page(make_run("a", root=tmp_path))
    assert "The MIT License" in page
    assert "Leon Sorokin" in page


def test_a_sample_cannot_end_the_script(tmp_path: Path):
    page = run_page(make_run("a", root=tmp_path))
    assert "</script><b>" not in page
    assert data_of(page)["samples"][1] == [40, ["text of step 40 </script><b>"]]


def test_an_unfinished_run_has_a_page(tmp_path: Path):
    page = run_page(make_run("a", root=tmp_path, finish=False))
    assert "not finished" in page
    assert data_of(page)["charts"]


def test_what_a_corpus_holds_needs_no_script(tmp_path: Path):
    page = run_page(make_corpus_run("a", root=tmp_path))
    assert "<script" not in page
    assert "<td>175</td>" in page


def test_the_page_names_command_commit_and_machine(tmp_path: Path):
    with carrying_out(["lm", "pretrain", "model=tiny", "prompt=a b"]):
        page = run_page(make_run("a", root=tmp_path))
    assert "lm pretrain model=tiny &#x27;prompt=a b&#x27;" in page
    assert "cores</dd>" in page


def test_a_page_of_the_job_itself_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = make_run("a", root=tmp_path)
    write_run_page(directory)
    assert (directory / "report.html").read_text(encoding="utf-8") == run_page(directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["outputs"]["report.html"] = {"bytes": 1, "hash": ""}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "report.html").write_text("own")
    write_run_page(directory)
    assert (directory / "report.html").read_text() == "own"


def test_a_full_disk_does_not_undo_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    directory = make_run("a", root=tmp_path)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lm.report.run.page.write_atomically", refuse)
    write_run_page(directory)
    assert "is complete, but its report.html cannot be written" in capsys.readouterr().out

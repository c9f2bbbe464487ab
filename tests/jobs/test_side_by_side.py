"""The same messages to several models, and what each would answer alone."""

import io
from pathlib import Path

import pytest

from lm.cli.main import main
from lm.jobs.side_by_side import names_of

ASKED = ["max_tokens=8", "seed=3"]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["chat", *words, *ASKED]) == 0
    return capsys.readouterr().out


@pytest.fixture
def other(tuned: Path) -> Path:
    return tuned.parents[1] / "pretrain/base"


def test_each_answers_as_it_would_alone(tuned: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = [said(capsys, f"model.path={run}", "message='alpha 1?'") for run in (tuned, other)]
    both = said(capsys, f"model.path={tuned}", f"beside={other}", "message='alpha 1?'")
    assert both == f"tuned  {alone[0]}base   {alone[1]}"
    three = said(capsys, f"model.path={tuned}", f"beside=[{other},{tuned}]", "message='alpha 1?'")
    assert three == f"tuned  {alone[0]}base   {alone[1]}tuned  {alone[0]}"


def test_lines_of_a_pipe_are_answered_by_each_and_reset_begins_anew_with_each(
    tuned: Path, other: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [said(capsys, f"model.path={run}", "message='alpha?'") for run in (tuned, other)]
    monkeypatch.setattr("sys.stdin", io.StringIO("alpha?\n/reset\nalpha?\n"))
    both = f"tuned  {alone[0]}base   {alone[1]}"
    assert said(capsys, f"model.path={tuned}", f"beside={other}") == f"{both}(new conversation)\n{both}"


def test_a_run_beside_that_is_missing_is_told_by_its_key(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["chat", f"model.path={tuned}", "beside=nowhere", "message=hi"])
    error = capsys.readouterr().err
    assert "beside=nowhere does not exist" in error
    assert "model.path" not in error


def test_names_are_as_long_as_they_have_to_be() -> None:
    assert names_of(["out/instruct/default", "out/align/default"]) == ["instruct/default", "align/default"]
    assert names_of(["out/instruct/a", "out/align/b"]) == ["a", "b"]
    assert names_of(["out/a/x", "more/a/x"]) == ["out/a/x", "more/a/x"]
    assert names_of(["out/a", "out/a"]) == ["a", "a"]
